// How a block of 256 threads walks over its part of a tensor, VEC elements (one access) at a time.
//
// NHWC=1, memory (N*L, C): the block is `columns` x 256/columns threads; a thread owns VEC neighbouring channels and takes
//   every (256/columns)-th row of its part.
// NHWC=0, memory (N, C, L): columns = 1, the block owns channel blockIdx.x; a thread takes every 256th pack of its part.
// Part j of J (gridDim.y) is a fixed range, so that every sum has one order.
#pragma once
#include "geometry.cuh"

#define THREADS 256
#define HELD (VEC == 8 || sizeof(ACC) == 8 ? 3 : 4)  // blocks that a multiprocessor holds at least: 80 or 64 registers a thread

struct Walk {
    int c;        // this thread's (first) channel
    bool real;    // whether it has one
    unsigned at, end;  // rows (NHWC) or packs of VEC elements; N*L below 2^31, so that no step past the end wraps
    int step, C, L;

    __device__ __forceinline__ Walk(const Norm& g, int columns) : C(g.C), L(g.L) {
        const int column = threadIdx.x % columns, row = threadIdx.x / columns;
        const unsigned rows = (unsigned)g.N * L / (NHWC ? 1 : VEC), each = (rows + gridDim.y - 1) / gridDim.y;
        c = NHWC ? ((i64)blockIdx.x * columns + column) * VEC : blockIdx.x;
        real = c < C;
        step = THREADS / columns;
        at = real ? blockIdx.y * each + row : 1;
        end = !real ? 0 : (blockIdx.y + 1) * each < rows ? (blockIdx.y + 1) * each : rows;
    }

    // Where the pack that lies `ahead` steps from here starts.
    __device__ __forceinline__ i64 address(int ahead = 0) const {
        const unsigned m = at + ahead * step;
        if (NHWC) return (i64)m * C + c;
        const unsigned packs = L / VEC, n = m / packs;
        return ((i64)n * C + c) * L + (i64)(m - n * packs) * VEC;
    }

    __device__ __forceinline__ bool has(int packs) const { return at + (packs - 1) * step < end; }

    // The channel of the pack's j-th element.
    __device__ __forceinline__ int channel(int j) const { return NHWC ? c + j : c; }
};

// A pack as it lies in memory: fetched long before it is looked at, and until then no larger than that.
struct __align__(VEC == 1 ? sizeof(T) : 16) Raw {
    T item[VEC];

    __device__ __forceinline__ void fetch(const T* p) {
        if constexpr (VEC == 1) {
            item[0] = *p;
        } else {
            *reinterpret_cast<uint4*>(this) = *reinterpret_cast<const uint4*>(p);
        }
    }
    __device__ __forceinline__ void widen(ACC (&v)[VEC]) const {
#pragma unroll
        for (int j = 0; j < VEC; ++j) v[j] = load(&item[j]);
    }
};

// A pack of gy, where a ReLU was fused only what it let through: where its output y was above 0.
__device__ __forceinline__ void let_through(const Raw& gy, const Raw& y, bool relu, ACC (&g)[VEC]) {
    ACC passed[VEC];
    gy.widen(g);
    if (!relu) return;
    y.widen(passed);
#pragma unroll
    for (int j = 0; j < VEC; ++j) g[j] = passed[j] > 0 ? g[j] : (ACC)0;
}

// A parameter of each channel of the pack, or `otherwise` where there is no such array.
__device__ __forceinline__ void of_channels(const ACC* p, const Walk& walk, ACC otherwise, ACC (&v)[VEC]) {
#pragma unroll
    for (int j = 0; j < VEC; ++j) v[j] = p && walk.real ? p[walk.channel(j)] : otherwise;
}
