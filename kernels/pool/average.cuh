// What average pooling shares: the mean over a rectangle, its divisor, and a part of a gradient.
#pragma once
#include "plane.cuh"

// The cells of output (p,q) that count: with count_include_pad those of the padding too, but not what ceil_mode reaches
// beyond it.
__device__ __forceinline__ int cells(int start, int size, int in, int pad, bool padded) {
    if (padded) return smaller(start + size, in + pad) - start;
    return smaller(start + size, in) - larger(start, 0);
}

__device__ __forceinline__ ACC cells(const Pool2d& g, int p, int q) {
    const int rows = cells(g.row(p, 0), g.R, g.H, g.pad_h, g.count_include_pad);
    return (ACC)rows * cells(g.col(q, 0), g.S, g.W, g.pad_w, g.count_include_pad);
}

__device__ __forceinline__ ACC cells(const Pool2d& g, int o, int p, int q) {
    return cells(g.slice(o, 0), g.A, g.D, g.pad_d, g.count_include_pad) * cells(g, p, q);
}

// y at this place: the sum over slices front up to back, rows top up to bottom and columns left up to right, over count.
__device__ __forceinline__ void average(
    const T* x, T* y, const Pool2d& g, const Place& at, int top, int bottom, int left, int right, ACC count,
    int front = 0, int back = 1)
{
    const T* plane = x + g.input(at.n, at.c);
    ACC sum[VEC] = {};
    for (int d = front; d < back; ++d) {
        for (int h = top; h < bottom; ++h) {
            for (int w = left; w < right; ++w) {
                ACC value[VEC];
                load_channels<VEC>(plane + ((d * g.H + h) * g.W + w) * g.step(), value);
#pragma unroll
                for (int j = 0; j < VEC; ++j) sum[j] += value[j];
            }
        }
    }
#pragma unroll
    for (int j = 0; j < VEC; ++j) sum[j] /= count;
    store_channels<VEC>(y + at.own, sum);
}

// What an output that is the mean of `count` inputs gives to each of them.
__device__ __forceinline__ void add_part(const T* output, ACC count, ACC (&sum)[VEC]) {
    ACC value[VEC];
    load_channels<VEC>(output, value);
#pragma unroll
    for (int j = 0; j < VEC; ++j) sum[j] += value[j] / count;
}
