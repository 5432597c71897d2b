// The tiled gradient of the input of any rank. At stride > 1 the input pixels are split into classes by their place modulo
// the stride of each axis: within a class the same taps meet every pixel, so that no multiplication is wasted.
#pragma once
#include "tiled.cuh"

// The taps that meet the pixels class + i * stride: those where class + pad - tap * dil is a multiple of the stride.
template <int RANK> struct Taps {
    const Axes<RANK>& g;
    int before[RANK], at[RANK], off[RANK], number;  // before: class + pad
    __device__ __forceinline__ bool meets() {
        bool all = true;
        number = 0;
        each_axis<RANK>([&](int a) {
            const int place = before[a] - at[a] * g.dil[a];
            off[a] = place / g.stride[a], number = number * g.window[a] + at[a];
            all = all && place % g.stride[a] == 0;
        });
        return all;
    }
    __device__ __forceinline__ bool real() const { return at[0] < g.window[0]; }
    __device__ __forceinline__ void step() {
#pragma unroll
        for (int a = RANK - 1; a >= 0; --a) {
            if (++at[a] < g.window[a] || a == 0) return;
            at[a] = 0;
        }
    }
    __device__ __forceinline__ void next() {
        do {
            step();
        } while (real() && !meets());
    }
};

// A class of input pixels: its place modulo the stride, and its pixels, on each axis and in all.
template <int RANK> struct Class {
    int at[RANK], count[RANK], pixels;
    __device__ __forceinline__ Class(const Axes<RANK>& g, int n) : pixels(g.N) {
        split(n, g.stride, at);
        each_axis<RANK>([&](int a) {
            count[a] = ceil_div(g.in[a] - at[a], g.stride[a]);
            pixels = count[a] > 0 ? pixels * count[a] : 0;
        });
    }
};

template <int RANK>
__device__ __forceinline__ void tiled_grad_input(const T* gy, const T* weight, T* gx, const Axes<RANK>& g)
{
    // seek to the block's class and tile, and to the pixels that this thread fetches
    __shared__ Buffers<BK> shared;
    const int Cg = g.Cg(), Kg = g.Kg(), taps = volume(g.window), group = blockIdx.z % g.groups;
    const int first_row = blockIdx.x * BM, first_column = blockIdx.y * BN;
    const Class<RANK> mine(g, blockIdx.z / g.groups);
    const int M = mine.pixels;
    if (first_row >= M) return;  // the whole block, so no barrier is missed
    Pixels<RANK> pixels;
#pragma unroll
    for (int l = 0; l < LOADS; ++l) {
        const int m = first_row + (threadIdx.x + l * THREADS) / 2, sample = split(m, mine.count, pixels.first[l]);
        pixels.sample[l] = m < M ? sample : -1;
    }

    // combine
    const T* filters = weight + (i64)group * Kg * taps * Cg;
    const Operands<RANK> operands = {gy + group * Kg, filters, g.out, g.K, Kg, Cg, taps, Cg};
    Taps<RANK> walk = {g, {}, {}, {}, 0};
    each_axis<RANK>([&](int a) { walk.before[a] = mine.at[a] - g.begin[a]; });
    if (!walk.meets()) walk.next();
    const Corner at;
    ACC sums[8][8] = {};
    gemm<false>(operands, walk, pixels, first_column, shared, at, sums);

    // write
    store_tile(sums, at, first_row, M, first_column, Cg, true, [&](int m) {
        int place[RANK];
        const int n = split(m, mine.count, place);
        each_axis<RANK>([&](int a) { place[a] = mine.at[a] + place[a] * g.stride[a]; });
        return gx + number((i64)n, g.in, place) * g.C + group * Cg;
    });
}
