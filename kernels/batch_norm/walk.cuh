// How a block of 256 threads walks over its part of a tensor, VEC elements (one access) at a time.
//
// NHWC=1, memory (N*L, C): the block is 256/columns x `columns` threads, the rest idle; a thread owns VEC neighbouring
//   channels and takes every (256/columns)-th row of its part.
// NHWC=0, memory (N, C, L): columns = 1, the block owns channel blockIdx.x; a thread takes every 256th pack of its part.
// Part j of J (gridDim.y) is a fixed range, so that every sum has one order.
#pragma once
#include "../row/held.cuh"
#include "gate.cuh"

#define THREADS 256
#define WIDEST (32 * VEC)  // channels of a block, at most
// Blocks that a multiprocessor holds at least, forward and backward: 80 registers a thread, or 128. Grids count on it.
#define HELD 3
#define HELD_BACK (VEC == 8 ? 2 : 3)

struct Walk {
    int c;        // this thread's (first) channel
    bool real;    // whether it has one
    unsigned at;  // its first row (NHWC) or pack of VEC elements; N*L below 2^31, so that no step past the end wraps
    int packs;    // how many it takes
    int step, column, row, C, L;

    __device__ __forceinline__ Walk(const Norm& g, int columns) : C(g.C), L(g.L) {
        const unsigned rows = (unsigned)g.N * L / (NHWC ? 1 : VEC), each = (rows + gridDim.y - 1) / gridDim.y;
        column = threadIdx.x % columns, row = threadIdx.x / columns;
        step = THREADS / columns;
        c = NHWC ? ((i64)blockIdx.x * columns + column) * VEC : blockIdx.x;
        real = c < C && row < step;
        at = blockIdx.y * each + row;
        const unsigned end = (blockIdx.y + 1) * each < rows ? (blockIdx.y + 1) * each : rows;
        packs = real && at < end ? (end - at + step - 1) / step : 0;
    }

    // Where this thread's i-th pack starts.
    __device__ __forceinline__ i64 address(int i) const {
        const unsigned m = at + i * step;
        if (NHWC) return (i64)m * C + c;
        const unsigned in_plane = L / VEC, n = m / in_plane;
        // Times VEC last: so the compiler sees that a pack's store is aligned, and does not part it.
        return (((i64)n * C + c) * in_plane + (m - n * in_plane)) * VEC;
    }
};

// The channels of a block: the first, and how many.
struct Channels {
    int first, count;

    __device__ __forceinline__ Channels(int C, int columns)
        : first(NHWC ? blockIdx.x * columns * VEC : blockIdx.x), count(NHWC ? smaller(columns * VEC, C - first) : 1) {}
};

// Numbers of the block's channels in shared memory, so that each is read from memory once a block.
struct __align__(16) Row {
    ACC of[WIDEST];

    // Those of a thread's pack; in memory order (N, C, L) all are of one channel.
    __device__ __forceinline__ void widen(const Walk& walk, ACC (&v)[VEC]) const {
        if constexpr (NHWC && VEC > 1) {
#pragma unroll
            for (int j = 0; j < VEC; j += PackOf<ACC>::size) {
                const Pack<ACC> some = load_pack(of + walk.column * VEC + j);
#pragma unroll
                for (int k = 0; k < PackOf<ACC>::size; ++k) v[j + k] = some.item[k];
            }
        } else {
#pragma unroll
            for (int j = 0; j < VEC; ++j) v[j] = of[walk.column];
        }
    }
};

// Adds up a column's rows of threads, or whatever add(i, j) does with what threads i and j found: a tree of fixed shape.
template <typename Add> __device__ __forceinline__ void join_rows(const Walk& walk, int columns, const Add& add) {
    int half = 1;
    while (2 * half < walk.step) half *= 2;
    for (; half > 0; half /= 2) {
        __syncthreads();
        if (walk.row < half && walk.row + half < walk.step) add(threadIdx.x, threadIdx.x + half * columns);
    }
}
