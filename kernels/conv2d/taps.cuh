// The table of a tile's rows and taps (tensor/taps.cuh) of a 2-d convolution, which all threads of a block fill.
#pragma once
#include "../tensor/taps.cuh"
#include "geometry.cuh"

// Forward: rows are pixels of y, from `first_row` on.
__device__ __forceinline__ void fill_forward(Table& table, const Conv2d& g, int first_row) {
    const int taps = g.R * g.S, left = g.N * g.P * g.Q - first_row, packs = g.C / EACH;
    for (int t = threadIdx.x; t < taps; t += THREADS) {
        table.source[t] = (t / g.S * g.dil_h * g.W + t % g.S * g.dil_w) * packs;
        table.weight[t] = t * (g.Cg() / EACH);
    }
    for (int row = threadIdx.x; row < BM; row += THREADS) {
        const int m = first_row + row, h = g.row(m / g.Q % g.P, 0), w = g.col(m % g.Q, 0), n = m / g.Q / g.P;
        unsigned mask = 0;
        for (int t = 0; t < taps; ++t) mask |= (unsigned)g.inside(h + t / g.S * g.dil_h, w + t % g.S * g.dil_w) << t;
        table.from[row] = ((n * g.H + h) * g.W + w) * packs;
        table.mask[row] = row < left ? mask : 0u;
        table.to[row] = row < left ? m * (g.K / EACH) : -1;
    }
    __syncthreads();
}

// Backward, at stride > 1, pixels of gx fall into stride_h * stride_w classes by their place modulo the stride.
struct Class {
    int h, w, rows, cols, M;  // the place of its first pixel, and how many it has: rows and columns of an image, in all

    __device__ __forceinline__ Class(const Conv2d& g, int number) : h(number / g.stride_w), w(number % g.stride_w) {
        rows = ceil_div(g.H - h, g.stride_h), cols = ceil_div(g.W - w, g.stride_w);
        M = rows > 0 && cols > 0 ? g.N * rows * cols : 0;
    }
};

// Backward: rows are pixels of a class of gx, from `first_row` on; `apart`: packs between two taps' weights. Returns how many
// taps meet the class. A thread keeps to its rows, so that no barrier is wanted in between.
__device__ __forceinline__ int fill_backward(Table& table, const Conv2d& g, const Class& own, int first_row, int apart) {
    const int above = own.h + g.pad_h, left = own.w + g.pad_w, packs = g.K / EACH;
    for (int row = threadIdx.x; row < BM; row += THREADS) {
        const int m = first_row + row, n = m / own.cols / own.rows, i = m / own.cols % own.rows, j = m % own.cols;
        const int h = own.h + i * g.stride_h, w = own.w + j * g.stride_w;
        table.mask[row] = 0;
        table.from[row] = ((n * g.P + i) * g.Q + j) * packs;
        table.to[row] = m < own.M ? ((n * g.H + h) * g.W + w) * (g.C / EACH) : -1;
    }
    int taps = 0;
    for (int t = 0; t < g.R * g.S; ++t) {  // each so far above and left of a pixel's place
        const int h = above - t / g.S * g.dil_h, w = left - t % g.S * g.dil_w;
        if (h % g.stride_h || w % g.stride_w) continue;
        if (threadIdx.x == 0) {
            table.source[taps] = (h / g.stride_h * g.Q + w / g.stride_w) * packs;
            table.weight[taps] = t * apart;
        }
        for (int row = threadIdx.x; row < BM; row += THREADS) {
            const int m = first_row + row, p = m / own.cols % own.rows + h / g.stride_h, q = m % own.cols + w / g.stride_w;
            table.mask[row] |= (unsigned)(m < own.M && within(p, g.P) && within(q, g.Q)) << taps;
        }
        ++taps;
    }
    __syncthreads();
    return taps;
}
