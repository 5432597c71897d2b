// Where a thread of a pooling kernel works: at VEC channels (NHWC=1) or at one element (NHWC=0, VEC = 1).
#pragma once
#include "geometry.cuh"

// The element (or VEC channels) that thread i owns of a tensor (N,C,D,H,W), in memory order.
struct Place {
    int n, c, d, h, w;
    bool real;  // false for threads past the last element
    i64 own;    // its (first) element in memory

    __device__ __forceinline__ Place(i64 i, int N, int C, int H, int W, int D = 1) : own(i * VEC) {
        const int columns = C / VEC, positions = D * H * W;
        const i64 position = NHWC ? i / columns : i, plane = position / positions;
        const int at = position - plane * positions, row = at / W;
        w = at - row * W, d = row / H, h = row - d * H;
        c = NHWC ? (i - position * columns) * VEC : plane % C;
        n = NHWC ? plane : plane / C;
        real = i < (i64)N * positions * columns;
    }
};

// VEC small integers, moved by one access.
template <typename I> struct alignas(sizeof(I) * VEC) Indices {
    I item[VEC];
};

template <int BYTES> struct Word;
template <> struct Word<1> { typedef unsigned char type; };
template <> struct Word<2> { typedef unsigned short type; };
template <> struct Word<4> { typedef unsigned type; };
template <> struct Word<8> { typedef uint2 type; };
template <> struct Word<16> { typedef uint4 type; };

template <typename I> __device__ __forceinline__ void load_indices(const I* p, Indices<I>& v) {
    typedef typename Word<sizeof(v)>::type Bits;
    *reinterpret_cast<Bits*>(&v) = *reinterpret_cast<const Bits*>(p);
}

template <typename I> __device__ __forceinline__ void store_indices(I* p, const Indices<I>& v) {
    typedef typename Word<sizeof(v)>::type Bits;
    *reinterpret_cast<Bits*>(p) = *reinterpret_cast<const Bits*>(&v);
}

// value times the activation's slope, by its results y.
template <int V> __device__ __forceinline__ void lead_back(ACC (&value)[V], const T* y, int activation) {
    ACC result[V];
    load_channels<V>(y, result);
#pragma unroll
    for (int j = 0; j < V; ++j) value[j] = derived(value[j], result[j], activation);
}
