// Global pooling, whose one window is the whole image: which pixels a thread reads, and how what the threads of a block
// found becomes one. A block takes some images; of each, rows of threads take turns at the pixels of one of J parts.
//
// NHWC=1: a thread owns VEC channels, `columns` threads lie side by side. NHWC=0: an image is a plane of one channel, a
// thread owns VEC pixels, and columns = 1.
#pragma once
#include "../tensor/ticket.cuh"
#include "choice.cuh"
#include "indices.cuh"

enum { BLOCK = 256, FLIGHT = 4 };  // threads; loads in flight a thread
enum { OWN = NHWC ? VEC : 1 };  // results of a thread

struct Global {
    int N, C, L, J, columns, rows;  // L pixels; a thread's row takes every rows-th of them
};

struct Walk {
    i64 image, own;  // the first element of the thread's image and channels, and the first of its results
    int row, begin, end, step;  // its pixels (or packs of them), and how far apart they lie
    bool real;

    __device__ __forceinline__ Walk(const Global& g) {
        const int across = NHWC ? ceil_div(g.C, g.columns * VEC) : 1, seat = threadIdx.x / g.columns;
        const int c = NHWC ? (blockIdx.x % across * g.columns + threadIdx.x % g.columns) * VEC : 0;
        const i64 n = (i64)(blockIdx.x / across) * (BLOCK / (g.columns * g.rows)) + seat / g.rows;
        const int packs = NHWC ? g.L : g.L / VEC, each = ceil_div(packs, g.J);
        row = seat % g.rows;
        real = NHWC ? n < g.N && c < g.C : n < (i64)g.N * g.C;
        own = NHWC ? n * g.C + c : n;
        image = NHWC ? n * g.L * g.C + c : n * g.L;
        begin = smaller((i64)blockIdx.y * each + row, packs);
        end = real ? smaller((i64)(blockIdx.y + 1) * each, packs) : begin;
        step = NHWC ? g.C : VEC;
    }

    // take(values, pixel) for each of the thread's pixels, in order; FLIGHT loads are on their way at once.
    template <typename Take> __device__ __forceinline__ void over(const T* x, int rows, const Take& take) const {
        for (int at = begin; at < end; at += FLIGHT * rows) {
            ACC value[FLIGHT][VEC];
#pragma unroll
            for (int u = 0; u < FLIGHT; ++u) {
                if (at + u * rows < end) load_channels<VEC>(x + image + (i64)(at + u * rows) * step, value[u]);
            }
#pragma unroll
            for (int u = 0; u < FLIGHT; ++u) {
                if (at + u * rows < end) take(value[u], at + u * rows);
            }
        }
    }
};

// What threads leave for each other; a maximum and its place apart, as 8 bytes a thread would meet on one bank.
template <typename Found> struct Room {
    Found sum[OWN][BLOCK];

    __device__ __forceinline__ void put(int j, const Found& found) { sum[j][threadIdx.x] = found; }
    __device__ __forceinline__ Found get(int j, int thread) const { return sum[j][thread]; }
};

template <> struct Room<Choice> {
    ACC value[OWN][BLOCK];
    int at[OWN][BLOCK];

    __device__ __forceinline__ void put(int j, const Choice& found) {
        value[j][threadIdx.x] = found.value, at[j][threadIdx.x] = found.at;
    }
    __device__ __forceinline__ Choice get(int j, int thread) const { return {value[j][thread], at[j][thread]}; }
};

// The results of a thread's rows in row 0: a tree of fixed shape, lower rows first. `rows` is a power of 2.
template <typename Found, typename Merge>
__device__ __forceinline__ void over_rows(Found (&mine)[OWN], const Global& g, int row, const Merge& merge) {
    __shared__ Room<Found> room;
    for (int half = g.rows / 2; half > 0; half /= 2) {
        if (row >= half && row < 2 * half) {
#pragma unroll
            for (int j = 0; j < OWN; ++j) room.put(j, mine[j]);
        }
        __syncthreads();
        if (row < half) {
#pragma unroll
            for (int j = 0; j < OWN; ++j) mine[j] = merge(mine[j], room.get(j, threadIdx.x + half * g.columns));
        }
    }
}
