// How a block of 256 threads walks over its part of a tensor, VEC elements (one access) at a time.
//
// NHWC=1, memory (N*L, C): the block is `columns` x 256/columns threads; a thread owns VEC neighbouring channels and takes
//   every (256/columns)-th row of its part.
// NHWC=0, memory (N, C, L): columns = 1, the block owns channel blockIdx.x; a thread takes every 256th pack of its part.
// Part j of J (gridDim.y) is a fixed range, so that every sum has one order.
#pragma once
#include "geometry.cuh"

#define THREADS 256

struct Walk {
    int c;        // this thread's (first) channel
    bool real;    // whether it has one
    i64 at, end;  // rows (NHWC) or packs of VEC elements
    int step, C, L;

    __device__ __forceinline__ Walk(const Norm& g, int columns) : C(g.C), L(g.L) {
        const int column = threadIdx.x % columns, row = threadIdx.x / columns;
        const i64 rows = (i64)g.N * L / (NHWC ? 1 : VEC), each = (rows + gridDim.y - 1) / gridDim.y;
        c = NHWC ? ((i64)blockIdx.x * columns + column) * VEC : blockIdx.x;
        real = c < C;
        step = THREADS / columns;
        at = real ? blockIdx.y * each + row : 1;
        end = !real ? 0 : (blockIdx.y + 1) * each < rows ? (blockIdx.y + 1) * each : rows;
    }

    // Where the pack that lies `ahead` steps from here starts.
    __device__ __forceinline__ i64 address(int ahead = 0) const {
        const i64 m = at + (i64)ahead * step;
        if (NHWC) return m * C + c;
        const int packs = L / VEC;
        const unsigned n = (unsigned)m / packs;  // N*L below 2^31: a 32-bit division
        return ((i64)n * C + c) * L + (m - (i64)n * packs) * VEC;
    }

    __device__ __forceinline__ bool has(int packs) const { return at + (i64)(packs - 1) * step < end; }

    // The channel of the pack's j-th element.
    __device__ __forceinline__ int channel(int j) const { return NHWC ? c + j : c; }
};

// A parameter of each channel of the pack, or `otherwise` where there is no such array.
__device__ __forceinline__ void of_channels(const ACC* p, const Walk& walk, ACC otherwise, ACC (&v)[VEC]) {
#pragma unroll
    for (int j = 0; j < VEC; ++j) v[j] = p && walk.real ? p[walk.channel(j)] : otherwise;
}
