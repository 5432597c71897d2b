// Strips: a thread owns VEC channels of TILE neighbouring columns and goes down their rows, so that each row is read once
// and serves all windows that it lies in. Windows are WIN x WIN, STRIDE apart in both directions, STRIDE <= WIN.
#pragma once
#include "average.cuh"

enum {
    TILE = 2,
    SPAN = (TILE - 1) * STRIDE + WIN,    // columns of input under TILE windows
    OPEN = (WIN + STRIDE - 1) / STRIDE,    // windows that a row (or a column) lies in, at most
};

// The strip that thread i owns of images that are cut into `down` rows of cells and `across` columns.
struct Strip {
    int n, c, first, end, column;  // rows first up to end, columns from `column`
    bool real;

    __device__ __forceinline__ Strip(i64 i, const Pool2d& g, int down, int across, int rows) {
        const int channels = g.C / VEC, tiles = ceil_div(across, TILE), strips = ceil_div(down, rows);
        c = i % channels * VEC, i /= channels;
        column = i % tiles * TILE, i /= tiles;
        first = i % strips * rows, end = smaller(first + rows, down);
        i /= strips;
        n = i, real = i < g.N;
    }
};

// ---------------------------------------------------------------- forward
// A row of input under the thread's windows, `outside` where that is no part of the image.
__device__ __forceinline__ void load_row(
    const T* image, const Pool2d& g, int h, int left, int right, const Pack<T>& outside, Pack<T> (&row)[SPAN])
{
    const T* start = image + (h * g.W + left) * g.C;
#pragma unroll
    for (int j = 0; j < SPAN; ++j) {
        row[j] = within(h, g.H) && left + j >= 0 && left + j < right ? load_pack(start + j * g.C) : outside;
    }
}

// Lets every open window take this row, which is row r of the oldest.
template <typename Sum> __device__ __forceinline__ void take(Sum (&open)[OPEN][TILE], const Pack<T> (&row)[SPAN], int r) {
#pragma unroll
    for (int k = 0; k < OPEN; ++k) {
        if (r < k * STRIDE || r >= k * STRIDE + WIN) continue;
#pragma unroll
        for (int t = 0; t < TILE; ++t) {
#pragma unroll
            for (int s = 0; s < WIN; ++s) open[k][t].take(row[t * STRIDE + s], (r - k * STRIDE) * WIN + s);
        }
    }
}

// Sum is what a window makes of its elements: it begins, takes them by r, then s, and write(p, q, sum) is given it.
template <typename Sum, typename Write>
__device__ __forceinline__ void go_down(const T* image, const Pool2d& g, const Strip& at, Write write) {
    const int left = g.col(at.column, 0), right = smaller(g.W, g.col(g.Q - 1, WIN - 1) + 1);
    const Pack<T> outside = Sum::outside();
    Sum open[OPEN][TILE];
#pragma unroll
    for (int k = 0; k < OPEN; ++k) {
#pragma unroll
        for (int t = 0; t < TILE; ++t) open[k][t].begin(g, at.first + k, at.column + t);
    }
#pragma unroll
    for (int r = 0; r < WIN - STRIDE; ++r) {
        Pack<T> row[SPAN];
        load_row(image, g, g.row(at.first, r), left, right, outside, row);
        take(open, row, r);
    }
    for (int p = at.first; p < at.end; ++p) {
        Pack<T> rows[STRIDE][SPAN];
#pragma unroll
        for (int i = 0; i < STRIDE; ++i) {
            load_row(image, g, g.row(p, WIN - STRIDE + i), left, right, outside, rows[i]);
        }
#pragma unroll
        for (int i = 0; i < STRIDE; ++i) take(open, rows[i], WIN - STRIDE + i);
#pragma unroll
        for (int t = 0; t < TILE; ++t) {
            if (at.column + t < g.Q) write(p, at.column + t, open[0][t]);
#pragma unroll
            for (int k = 1; k < OPEN; ++k) open[k - 1][t] = open[k][t];
            open[OPEN - 1][t].begin(g, p + OPEN, at.column + t);
        }
    }
}

// ---------------------------------------------------------------- backward
// A cell is STRIDE x STRIDE inputs; cell (u, v) lies in windows (u - k, v - l) with k and l below OPEN.
enum { HELD = TILE + OPEN - 1 };  // windows of a row that the thread's cells lie in

__device__ __forceinline__ int cells_down(const Pool2d& g) { return ceil_div(g.H + g.pad_h, STRIDE); }
__device__ __forceinline__ int cells_across(const Pool2d& g) { return ceil_div(g.W + g.pad_w, STRIDE); }

// Down the strip's cells. Of each window fetch(p, q, raw) only loads, so that many loads are under way at once, and
// settle(p, q, raw, held) makes of it what is spread; windows that are none are Held(). write(u, cell, i, j, held) is asked
// for input (i, j) of each cell; window (u - k, v - l) of cell v is held[k][v + OPEN - 1 - l].
template <typename Raw, typename Held, typename Fetch, typename Settle, typename Write>
__device__ __forceinline__ void go_back(const Pool2d& g, const Strip& at, Fetch fetch, Settle settle, Write write) {
    Held held[OPEN][HELD];
    const int windows = smaller(g.P, at.end);
    for (int u = at.first - OPEN; u < at.end; ++u) {
        Raw next[HELD];  // is on its way while row u is spread
#pragma unroll
        for (int i = 0; i < HELD; ++i) {
            const int q = at.column - OPEN + 1 + i;
            if (within(u + 1, windows) && within(q, g.Q)) fetch(u + 1, q, next[i]);
        }
        if (u >= at.first) {
#pragma unroll
            for (int cell = 0; cell < TILE; ++cell) {
#pragma unroll
                for (int place = 0; place < STRIDE * STRIDE; ++place) {
                    write(u, cell, place / STRIDE, place % STRIDE, held);
                }
            }
        }
#pragma unroll
        for (int i = 0; i < HELD; ++i) {
            const int q = at.column - OPEN + 1 + i;
#pragma unroll
            for (int k = OPEN - 1; k > 0; --k) held[k][i] = held[k - 1][i];
            held[0][i] = Held();
            if (within(u + 1, windows) && within(q, g.Q)) settle(u + 1, q, next[i], held[0][i]);
        }
    }
}
