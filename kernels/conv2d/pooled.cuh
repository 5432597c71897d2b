// What a convolution does that pools its own outputs: how it fetches, multiplies and pools. CHANNELS, TAPS_H, TAPS_W and
// FILTERS are macros, so that the sums stay in registers and no division by them is one.
#pragma once
#include "../elementwise/epilogue.cuh"

#define TAPS (TAPS_H * TAPS_W)
#define REACH ((TAPS_W + 2) / 2 * 2)  // columns of x under two neighbouring outputs, in pairs

struct Pooled2d {
    int N, C, H, W, K, P, Q, pad_h, pad_w, activation;  // the convolution; its output is P x Q
    int U, V, window_h, window_w, step_h, step_w, average, flat;  // the pooling; its output is U x V
    int rows, tile_rows, parts;  // of a block: rows of y, rows of a (an even number), parts of the channels
};

// put(i, get(i)) for i from `first`, `step` apart, four reads on their way at a time.
template <typename Get, typename Put>
__device__ __forceinline__ void fetch(int first, int end, int step, const Get& get, const Put& put) {
    const int ahead = 4;
    for (int i = first; i < end; i += ahead * step) {
        T value[ahead];
#pragma unroll
        for (int l = 0; l < ahead; ++l) value[l] = i + l * step < end ? get(i + l * step) : T{};
#pragma unroll
        for (int l = 0; l < ahead; ++l) {
            if (i + l * step < end) put(i + l * step, load(&value[l]));
        }
    }
}

struct alignas(2 * sizeof(ACC)) Pair {
    ACC item[2];
};

__device__ __forceinline__ void load_row(const ACC* p, ACC (&v)[REACH]) {
#pragma unroll
    for (int i = 0; i < REACH; i += 2) {
        const Pair pair = *reinterpret_cast<const Pair*>(p + i);
        v[i] = pair.item[0], v[i + 1] = pair.item[1];
    }
}

// sums += one channel of x times the filters' taps: 2x2 outputs, the first at `corner`, of 4 filters. A row of x is read
// once, and serves as the lower of one pair of rows and the upper of the next.
__device__ __forceinline__ void add_channel(const ACC* corner, int pitch, const ACC* filters, ACC (&sums)[4][4]) {
    ACC rows[2][REACH];
    load_row(corner, rows[0]);
#pragma unroll
    for (int r = 0; r < TAPS_H; ++r) {
        load_row(corner + (r + 1) * pitch, rows[(r + 1) % 2]);
#pragma unroll
        for (int s = 0; s < TAPS_W; ++s) {
            const Pack<ACC> four = load_pack(filters + (r * TAPS_W + s) * FILTERS);
#pragma unroll
            for (int i = 0; i < 4; ++i) {
                const ACC pixel = rows[(r + i / 2) % 2][s + i % 2];
#pragma unroll
                for (int j = 0; j < 4; ++j) sums[i][j] += pixel * four.item[j];
            }
        }
    }
}

// A thread's 2x2 outputs into the block's tile, to what is there already if there is `more` than one part.
__device__ __forceinline__ void add_quad(ACC* tile, int cols, bool more, const ACC (&sums)[4][4]) {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
        ACC* at = tile + (i / 2 * cols + i % 2) * FILTERS;
        Pack<ACC> four = more ? load_pack(at) : Pack<ACC>{};
#pragma unroll
        for (int j = 0; j < 4; ++j) four.item[j] += sums[i][j];
        store_pack(at, four);
    }
}

// The mean, or the maximum and its place in the window: the first maximum, or the last NaN.
__device__ __forceinline__ ACC pooled(const ACC* corner, int cols, const Pooled2d& g, int& winner) {
    ACC best = *corner, sum = 0;
    for (int r = 0; r < g.window_h; ++r) {
        for (int s = 0; s < g.window_w; ++s) {
            const ACC value = corner[(r * cols + s) * FILTERS];
            sum += value;
            if (value > best || value != value) best = value, winner = r * g.window_w + s;
        }
    }
    return g.average ? sum / (g.window_h * g.window_w) : best;
}
