// The inner part of the tiled product: a block multiplies a (BM x depth) by a (depth x BN) matrix, BK of depth a step.
//
// Tiles: 128x128 with 8x8 sums a thread, 64x64 with 8x4, 32x32 with 4x4. A warp is 4x8 threads, whose sums are groups of
// 4 rows and of 4 columns: it reads 64 bytes of a and 128 bytes of b a depth, each byte once. Two buffers, so that one
// barrier a step is enough: while one is read, the other is filled.
//
// An operand is deep where neighbours in memory are neighbours of the depth, else wide: neighbours along its side, the
// rows of a or the columns of b. The macro LAYOUT is deep_a + 2*deep_b of a product whose loop is made for it, or -1: any
// operands, as the launch says, a second product, and a times a derivative.
#pragma once
#include "join.cuh"

#define TM (BM == 32 ? 4 : 8)
#define TN (BM == 128 ? 8 : 4)
#define THREADS (BM / TM * (BN / TN))

enum { WIDE, DEEP, EITHER };
static const int LAYOUT_A = LAYOUT < 0 ? EITHER : LAYOUT & 1, LAYOUT_B = LAYOUT < 0 ? EITHER : LAYOUT >> 1;

// The shared memory of a block. Depth k of a tile is stored turned: row (or column) i at i ^ turn(k).
struct __align__(16) Buffers {  // read and written 16 bytes at a time
    ACC a[2][BK][BM], b[2][BK][BN];
};

// What is read along the depth is stored across it: lanes at neighbouring depths would meet on one bank.
template <int ORDER> __device__ __forceinline__ int turn(int k) {
    return ORDER == WIDE ? 0 : k / VEC * larger(4, 32 * VEC / BK) % 32;
}

// This thread's place in the tile: its first row and column, and those of its other groups of 4.
struct Corner {
    int row, col;
    __device__ __forceinline__ Corner() {
        const int warp = threadIdx.x / 32, lane = threadIdx.x % 32, across = BN / TN / 8;
        row = (warp / across * 4 + lane / 8) * 4;
        col = (warp % across * 8 + lane % 8) * 4;
    }
    static __device__ __forceinline__ int row_group(int g) { return g * (BM / TM * 4); }
    static __device__ __forceinline__ int col_group(int g) { return g * (BN / TN * 4); }
    __device__ __forceinline__ int row_of(int i) const { return row + row_group(i / 4) + i % 4; }
    __device__ __forceinline__ int col_of(int j) const { return col + col_group(j / 4) + j % 4; }
};

// sums += a b over BK of depth.
__device__ __forceinline__ void multiply(
    const ACC (&a)[BK][BM], const ACC (&b)[BK][BN], const Corner& at, ACC (&sums)[TM][TN])
{
#pragma unroll
    for (int k = 0; k < BK; ++k) {
        ACC left[TM], right[TN];
        const ACC *row = a[k] + (at.row ^ turn<LAYOUT_A>(k)), *column = b[k] + (at.col ^ turn<LAYOUT_B>(k));
#pragma unroll
        for (int i = 0; i < TM; i += 4) load_four(row + Corner::row_group(i / 4), left + i);
#pragma unroll
        for (int j = 0; j < TN; j += 4) load_four(column + Corner::col_group(j / 4), right + j);
#pragma unroll
        for (int i = 0; i < TM; ++i) {
#pragma unroll
            for (int j = 0; j < TN; ++j) sums[i][j] += left[i] * right[j];
        }
    }
}

// VEC elements as they were fetched.
struct alignas(sizeof(T) * VEC) Run {
    T item[VEC];
};

__device__ __forceinline__ Run fetch_run(const T* p) {
    Run run;
    if constexpr (VEC == 1) {
        run.item[0] = *p;
    } else {
        *reinterpret_cast<uint4*>(&run) = *reinterpret_cast<const uint4*>(p);
    }
    return run;
}

// One operand's share of a tile, SIDE rows (of a) or columns (of b): which elements this thread fetches, and where they go.
// A run of VEC is one access either way, and reaches shared memory as one access or as one element a depth.
template <int SIDE, int ORDER> struct Loader {
    static const int LOADS = SIDE * BK / (VEC * THREADS);
    const T* from;  // the first run of the step that comes next
    i64 row;        // elements from one of memory's rows to the next
    int next;       // elements from one run to the next
    int line, k;    // the first run's place in the tile: row or column, and depth
    int lines;      // rows or columns that there are
    bool is_deep;

    __device__ __forceinline__ Loader(const T* base, int pitch, bool given, int first, int all, int depth)
        : row(pitch), lines(all - first), is_deep(ORDER == EITHER ? given : ORDER == DEEP) {
        const int me = threadIdx.x, runs = this->runs();
        line = is_deep ? me / runs : me % runs * VEC, k = is_deep ? me % runs * VEC : me / runs;
        next = THREADS / runs * pitch;
        from = base + (is_deep ? (first + line) * row + (depth + k) : (depth + k) * row + (first + line));
    }
    __device__ __forceinline__ int runs() const { return is_deep ? BK / VEC : SIDE / VEC; }  // along memory
    __device__ __forceinline__ int line_of(int l) const { return is_deep ? line + l * (THREADS / runs()) : line; }
    __device__ __forceinline__ int depth_of(int l) const { return is_deep ? k : k + l * (THREADS / runs()); }
    __device__ __forceinline__ bool has(int l) const { return line_of(l) < lines; }
    __device__ __forceinline__ Run fetch(int l) const { return fetch_run(from + l * next); }
    __device__ __forceinline__ i64 ahead(int depth) const { return is_deep ? depth : depth * row; }

    __device__ __forceinline__ void keep(ACC (&to)[BK][SIDE], int l, const ACC (&v)[VEC]) const {
        const int at = line_of(l) ^ turn<ORDER>(depth_of(l));
        ACC* start = to[depth_of(l)];
        if (VEC == 1 || is_deep) {
#pragma unroll
            for (int j = 0; j < VEC; ++j) start[j * SIDE + at] = v[j];
        } else {
            const int size = PackOf<ACC>::size;
#pragma unroll
            for (int i = 0; i < VEC; i += size) {
                Pack<ACC> pack;
#pragma unroll
                for (int j = 0; j < size; ++j) pack.item[j] = v[(i + j) % VEC];
                store_pack(start + (i < 4 ? at : at ^ 4), pack);
            }
        }
    }
};

// The operands of a block's product, and the step of them that this thread has fetched.
struct Source {
    Loader<BM, LAYOUT_A> left;
    Loader<BN, LAYOUT_B> right;
    const T* kept;  // y at the place of left.from
    int slope;      // the activation whose derivative a is times, NOTHING where there is no y
    bool is_edge;  // whether this thread's columns of b start with that of ones
    Run a[Loader<BM, LAYOUT_A>::LOADS], y[Loader<BM, LAYOUT_A>::LOADS], b[Loader<BN, LAYOUT_B>::LOADS];

    // The first step, of `depth`; what lies outside stays as it is here, since the steps that follow pass over it.
    __device__ __forceinline__ void fetch(int depth) {
#pragma unroll
        for (int l = 0; l < left.LOADS; ++l) {
            const bool there = left.has(l) && left.depth_of(l) < depth;
            a[l] = there ? left.fetch(l) : Run{};
            if (LAYOUT < 0) y[l] = there && slope != NOTHING ? fetch_run(kept + l * left.next) : Run{};
        }
#pragma unroll
        for (int l = 0; l < right.LOADS; ++l) {
            b[l] = Run{};
            if (!right.has(l)) store(&b[l].item[0], (ACC)is_edge);
            else if (right.depth_of(l) < depth) b[l] = right.fetch(l);
        }
        advance(depth);
    }
    __device__ __forceinline__ void fetch() {
#pragma unroll
        for (int l = 0; l < left.LOADS; ++l) {
            if (left.has(l)) a[l] = left.fetch(l);
        }
        if (LAYOUT < 0 && slope != NOTHING) {
#pragma unroll
            for (int l = 0; l < left.LOADS; ++l) {
                if (left.has(l)) y[l] = fetch_run(kept + l * left.next);
            }
        }
#pragma unroll
        for (int l = 0; l < right.LOADS; ++l) {
            if (right.has(l)) b[l] = right.fetch(l);
        }
        advance(BK);
    }
    __device__ __forceinline__ void advance(int depth) {
        kept += left.ahead(depth);
        left.from += left.ahead(depth), right.from += right.ahead(depth);
    }
    __device__ __forceinline__ void keep(ACC (&to_a)[BK][BM], ACC (&to_b)[BK][BN]) const {
        ACC v[VEC];
#pragma unroll
        for (int l = 0; l < left.LOADS; ++l) {
#pragma unroll
            for (int j = 0; j < VEC; ++j) v[j] = load(&a[l].item[j]);
            if (LAYOUT < 0 && slope == RELU) {
#pragma unroll
                for (int j = 0; j < VEC; ++j) v[j] = derived(v[j], load(&y[l].item[j]), RELU);
            } else if (LAYOUT < 0 && slope == TANH) {
#pragma unroll
                for (int j = 0; j < VEC; ++j) v[j] = derived(v[j], load(&y[l].item[j]), TANH);
            }
            left.keep(to_a, l, v);
        }
#pragma unroll
        for (int l = 0; l < right.LOADS; ++l) {
#pragma unroll
            for (int j = 0; j < VEC; ++j) v[j] = load(&b[l].item[j]);
            right.keep(to_b, l, v);
        }
    }
};

// sums = a b over so much depth: the first step takes what is no multiple of BK, so that no other looks where it ends.
__device__ __forceinline__ void gemm(Source& from, int depth, Buffers& shared, const Corner& at, ACC (&sums)[TM][TN]) {
    int steps = ceil_div(depth, BK);
    if (steps <= 0) return;
    from.fetch(depth - (steps - 1) * BK);
    from.keep(shared.a[0], shared.b[0]);
    __syncthreads();
    for (int buffer = 0;; buffer ^= 1) {
        const bool more = --steps > 0;
        if (more) from.fetch();
        multiply(shared.a[buffer], shared.b[buffer], at, sums);
        if (!more) break;
        from.keep(shared.a[buffer ^ 1], shared.b[buffer ^ 1]);
        __syncthreads();
    }
}
