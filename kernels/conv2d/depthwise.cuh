// Depthwise forward and grad_input: memory-bound, so a thread moves 16 bytes of channels of PIXELS pixels at a time. The
// filters lie in memory channel after channel: a block stores TAPS of them transposed, so that its threads read packs.
#pragma once
#include "geometry.cuh"

#define THREADS 256
static const int PIXELS = 4, TAPS = 9;

// The filters' values of VEC neighbouring channels, in packs where they fill some.
__device__ __forceinline__ void load_filters(const ACC* p, ACC (&v)[VEC]) {
    const int size = PackOf<ACC>::size < VEC ? PackOf<ACC>::size : VEC;
#pragma unroll
    for (int i = 0; i < VEC / size; ++i) {
        ACC part[size];
        if constexpr (size == PackOf<ACC>::size) {
            load_channels<size>(p + i * size, part);
        } else {
            part[0] = *p;
        }
#pragma unroll
        for (int j = 0; j < size; ++j) v[i * size + j] = part[j];
    }
}

// out, of height x width pixels, at this thread's channels and pixels. A block is `lanes` columns of VEC channels (a power
// of two up to 32; blockIdx.y) x THREADS / lanes pixels at a time. meet(y, x, r, s): the place in a source plane of
// `positions` that tap (r,s) of pixel (y,x) meets, or -1.
template <typename Meet>
__device__ __forceinline__ void filter_channels(
    const T* source, const T* weight, const T* bias, const T* residual, T* out, const Conv2d& g, int lanes, int positions,
    int height, int width, const Meet& meet)
{
    // seek
    __shared__ __align__(16) ACC filters[TAPS][32 * VEC + 4];  // +4: the threads that store one channel's taps meet no bank
    const int first = blockIdx.y * lanes * VEC, column = threadIdx.x % lanes * VEC, c = first + column, taps = g.R * g.S;
    const int rows = THREADS / lanes, row = blockIdx.x * PIXELS * rows + threadIdx.x / lanes, pixels = g.N * height * width;
    const T* image[PIXELS];
    int y[PIXELS], x[PIXELS];
    ACC sum[PIXELS][VEC] = {};
#pragma unroll
    for (int j = 0; j < PIXELS; ++j) {
        const int m = row + j * rows, n = m / width / height;
        y[j] = m / width % height, x[j] = m % width;
        image[j] = m < pixels && c < g.C ? source + (i64)n * positions * g.C + c : nullptr;
        if (bias && c < g.C) load_channels<VEC>(bias + c, sum[j]);
    }

    // combine, TAPS taps of the block's filters at a time
    for (int tap0 = 0; tap0 < taps; tap0 += TAPS) {
        const int count = smaller(taps - tap0, TAPS), channels = smaller(lanes * VEC, g.C - first);
        __syncthreads();
        for (int i = threadIdx.x; i < channels * count; i += THREADS) {
            filters[i % count][i / count] = load(weight + (i64)(first + i / count) * taps + tap0 + i % count);
        }
        __syncthreads();
#pragma unroll 1
        for (int t = 0; t < count; ++t) {
            const int r = (tap0 + t) / g.S, s = (tap0 + t) % g.S;
            ACC filter[VEC];
            load_filters(&filters[t][column], filter);
#pragma unroll
            for (int j = 0; j < PIXELS; ++j) {
                const int at = meet(y[j], x[j], r, s);
                if (at < 0 || !image[j]) continue;
                ACC value[VEC];
                load_channels<VEC>(image[j] + at * g.C, value);
#pragma unroll
                for (int v = 0; v < VEC; ++v) sum[j][v] += value[v] * filter[v];
            }
        }
    }

    // write
    if (residual) {
#pragma unroll
        for (int j = 0; j < PIXELS; ++j) {
            ACC more[VEC] = {};
            if (image[j]) load_channels<VEC>(residual + (i64)(row + j * rows) * g.C + c, more);
#pragma unroll
            for (int v = 0; v < VEC; ++v) sum[j][v] += more[v];
        }
    }
    activate(sum, g.activation);
#pragma unroll
    for (int j = 0; j < PIXELS; ++j) {
        if (image[j]) store_channels<VEC>(out + (i64)(row + j * rows) * g.C + c, sum[j]);
    }
}
