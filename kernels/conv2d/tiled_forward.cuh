// The tiled forward pass of any rank: tiled.cuh's product, its taps in order, then what follows a convolution.
#pragma once
#include "tiled.cuh"

// All taps of the window, in order.
template <int RANK> struct Taps {
    const Axes<RANK>& g;
    int at[RANK], off[RANK], number;
    __device__ __forceinline__ bool real() const { return at[0] < g.window[0]; }
    __device__ __forceinline__ void next() {
        ++number;
#pragma unroll
        for (int a = RANK - 1; a >= 0; --a) {
            ++at[a], off[a] += g.dil[a];
            if (a == 0 || at[a] < g.window[a]) return;
            at[a] = off[a] = 0;
        }
    }
};

template <int RANK>
__device__ __forceinline__ void tiled_forward(
    const T* x, const T* weight, const T* bias, const T* residual, T* y, const Axes<RANK>& g, int activation)
{
    // seek to the block's tile, and to the pixels that this thread fetches
    __shared__ Buffers<BK> shared;
    const int Cg = g.Cg(), Kg = g.Kg(), taps = volume(g.window), first_filter = blockIdx.z * Kg, M = g.N * volume(g.out);
    const int first_row = blockIdx.x * BM, first_column = blockIdx.y * BN;
    Pixels<RANK> pixels;
#pragma unroll
    for (int l = 0; l < LOADS; ++l) {
        const int m = first_row + (threadIdx.x + l * THREADS) / 2, sample = split(m, g.out, pixels.first[l]);
        pixels.sample[l] = m < M ? sample : -1;
        each_axis<RANK>([&](int a) { pixels.first[l][a] = pixels.first[l][a] * g.stride[a] + g.begin[a]; });
    }

    // combine
    const T* filters = weight + (i64)first_filter * taps * Cg;
    const Operands<RANK> operands = {x + blockIdx.z * Cg, filters, g.in, g.C, Cg, Kg, taps, Cg};
    const Corner at;
    ACC sums[8][8] = {};
    gemm<true>(operands, Taps<RANK>{g, {}, {}, 0}, pixels, first_column, shared, at, sums);

    // write
    if (bias) add_bias(bias + first_filter, first_column, Kg, at, sums);
    if (residual) add_rows(residual + first_filter, g.K, at, first_row, M, first_column, Kg, true, sums);
    activate(sums, activation);
    T* out = y + first_filter;
    store_tile(sums, at, first_row, M, first_column, Kg, true, [&](int m) { return out + (i64)m * g.K; });
}
