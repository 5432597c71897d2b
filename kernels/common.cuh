// What every kernel shares: storage types, their conversions, 16-byte packs.
//
// A kernel is specialised by the macros T, the storage type, and ACC, the type that sums are kept in:
//   T = float, float16, bfloat16 with ACC = float;  T = double with ACC = double.
// The 16-bit types are bare bits, so that no CUDA header is needed and every architecture takes them.
#pragma once
#include "ptx.cuh"

typedef long long i64;

struct float16 { unsigned short bits; };
struct bfloat16 { unsigned short bits; };

__device__ __forceinline__ float load(const float* p) { return *p; }
__device__ __forceinline__ double load(const double* p) { return *p; }
__device__ __forceinline__ float load(const float16* p) { return half_bits_to_float(p->bits); }
__device__ __forceinline__ float load(const bfloat16* p) { return __uint_as_float((unsigned)p->bits << 16); }

__device__ __forceinline__ void store(float* p, float v) { *p = v; }
__device__ __forceinline__ void store(double* p, double v) { *p = v; }
__device__ __forceinline__ void store(float16* p, float v) { p->bits = float_to_half_bits(v); }
__device__ __forceinline__ void store(bfloat16* p, float v) {  // to nearest, ties to even; NaN stays NaN
    const unsigned u = __float_as_uint(v);
    p->bits = v != v ? 0x7fffu : (u + 0x7fffu + (u >> 16 & 1u)) >> 16;
}

// A product that is rounded before it is added to anything: no FMA.
__device__ __forceinline__ float times(float a, float b) { return __fmul_rn(a, b); }
__device__ __forceinline__ double times(double a, double b) { return __dmul_rn(a, b); }

// Elements in one 16-byte access, the widest that a thread can issue.
template <typename V> struct PackOf { static const int size = 16 / sizeof(V); };

// 16 bytes of V, loaded and stored by one instruction; p must be a multiple of 16 bytes.
template <typename V> struct __align__(16) Pack {
    V item[PackOf<V>::size];
};

template <typename V> __device__ __forceinline__ Pack<V> load_pack(const V* p) {
    Pack<V> pack;
    *reinterpret_cast<uint4*>(&pack) = *reinterpret_cast<const uint4*>(p);
    return pack;
}

template <typename V> __device__ __forceinline__ void store_pack(V* p, const Pack<V>& pack) {
    *reinterpret_cast<uint4*>(p) = *reinterpret_cast<const uint4*>(&pack);
}

// The index of this thread among all threads of a one-dimensional grid; past 2^31 where the grid is.
__device__ __forceinline__ i64 thread_index() { return (i64)blockIdx.x * blockDim.x + threadIdx.x; }

__device__ __forceinline__ int smaller(i64 a, i64 b) { return a < b ? a : b; }
__device__ __forceinline__ int larger(int a, int b) { return a > b ? a : b; }
__device__ __forceinline__ int ceil_div(int a, int b) { return (a + b - 1) / b; }
__device__ __forceinline__ bool within(int i, int size) { return (unsigned)i < (unsigned)size; }  // 0 <= i < size

// The output that starts at `place` of the padded input, or -1 where none of the `out` outputs does.
__device__ __forceinline__ int met(int place, int stride, int out) {
    return place < 0 || place % stride || place / stride >= out ? -1 : place / stride;
}

// V neighbours as sums: one 16-byte access where V fills it, else one element.
template <int V, typename S, typename A> __device__ __forceinline__ void load_channels(const S* p, A (&v)[V]) {
    if constexpr (V == 1) {
        v[0] = load(p);
    } else {
        const Pack<S> pack = load_pack(p);
#pragma unroll
        for (int j = 0; j < V; ++j) v[j] = load(&pack.item[j]);
    }
}

template <int V, typename S, typename A> __device__ __forceinline__ void store_channels(S* p, const A (&v)[V]) {
    if constexpr (V == 1) {
        store(p, v[0]);
    } else {
        Pack<S> pack;
#pragma unroll
        for (int j = 0; j < V; ++j) store(&pack.item[j], v[j]);
        store_pack(p, pack);
    }
}

// sum[j] += a[j] * b[j] over VEC neighbouring channels.
template <typename A, int V> __device__ __forceinline__ void add_products(const T* a, const T* b, A (&sum)[V]) {
    A left[V], right[V];
    load_channels<V>(a, left);
    load_channels<V>(b, right);
#pragma unroll
    for (int j = 0; j < V; ++j) sum[j] += left[j] * right[j];
}

// The sum of a warp's lanes, in lane 0: a tree of fixed shape.
__device__ __forceinline__ ACC add_lanes(ACC sum) {
    for (int half = 16; half > 0; half /= 2) sum += __shfl_down_sync(0xffffffffu, sum, half);
    return sum;
}
