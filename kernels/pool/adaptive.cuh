// The windows of adaptive pooling: output p of P covers input start(p) up to, not including, stop(p), of n.
// NHWC=1: (N,D,H,W,C) memory, a thread owns VEC channels of a position; NHWC=0: (N,C,D,H,W), one element.
#pragma once
#include "indices.cuh"

__device__ __forceinline__ int start(int p, int n, int P) { return (i64)p * n / P; }
__device__ __forceinline__ int stop(int p, int n, int P) { return ((i64)(p + 1) * n + P - 1) / P; }

// The windows that cover input h are first_over(h) up to, not including, end_over(h).
__device__ __forceinline__ int first_over(int h, int n, int P) { return (i64)h * P / n; }
__device__ __forceinline__ int end_over(int h, int n, int P) { return ((i64)(h + 1) * P + n - 1) / n; }

struct Adaptive {
    int N, C, D, H, W, R, S, O, P, Q;  // R, S: rows and columns of the largest window

    __device__ __forceinline__ int step() const { return NHWC ? C : 1; }

    // Where a position is in its window: as in one of the largest, so that a place says the same in all of them.
    __device__ __forceinline__ int place(int a, int r, int s) const { return (a * R + r) * S + s; }
};

// What thread i owns of a tensor (N,C,D,H,W), in memory order.
struct Spot {
    int d, h, w, c;
    bool real;  // false for threads past the last element
    i64 own, image;  // its first element in memory; its sample, or with NHWC=0 its plane

    template <typename G> __device__ __forceinline__ Spot(i64 i, const G& g, int D, int H, int W) : own(i * VEC) {
        const int columns = NHWC ? g.C / VEC : 1, positions = D * H * W;
        const i64 position = i / columns;
        image = position / positions;
        c = NHWC ? (i - position * columns) * VEC : 0;
        const int at = position - image * positions, row = at / W;
        w = at - row * W, d = row / H, h = row - d * H;
        real = image < (NHWC ? g.N : (i64)g.N * g.C);
    }

    // The first element of this thread's channels in a tensor of as many positions.
    template <typename G> __device__ __forceinline__ i64 base(const G& g, int positions) const {
        return NHWC ? image * positions * g.C + c : image * positions;
    }
};

// The window of one output.
struct Cell {
    int front, back, top, bottom, left, right, count;

    __device__ __forceinline__ Cell(int d0, int d1, int h0, int h1, int w0, int w1)
        : front(d0), back(d1), top(h0), bottom(h1), left(w0), right(w1), count((d1 - d0) * (h1 - h0) * (w1 - w0)) {}

    __device__ __forceinline__ Cell(const Spot& at, const Adaptive& g)
        : Cell(start(at.d, g.D, g.O), stop(at.d, g.D, g.O), start(at.h, g.H, g.P), stop(at.h, g.H, g.P),
               start(at.w, g.W, g.Q), stop(at.w, g.W, g.Q)) {}

    // take(values, place) for each of its positions, row by row; four loads are on their way at once.
    template <typename G, typename Take>
    __device__ __forceinline__ void over(const T* x, const G& g, const Take& take) const {
        int d = front, h = top, w = left;
        for (int k = 0; k < count; k += 4) {
            ACC value[4][VEC];
            int place[4];
#pragma unroll
            for (int u = 0; u < 4; ++u) {
                if (k + u >= count) break;
                load_channels<VEC>(x + ((d * g.H + h) * g.W + w) * g.step(), value[u]);
                place[u] = g.place(d - front, h - top, w - left);
                if (++w == right) w = left, ++h;
                if (h == bottom) h = top, ++d;
            }
#pragma unroll
            for (int u = 0; u < 4; ++u) {
                if (k + u < count) take(value[u], place[u]);
            }
        }
    }
};

// visit(output, o, p, q) for the windows that cover an input position, in order.
template <typename Visit> __device__ __forceinline__ void covering(const Spot& at, const Adaptive& g, const Visit& visit) {
    const int p0 = first_over(at.h, g.H, g.P), p1 = end_over(at.h, g.H, g.P);
    const int q0 = first_over(at.w, g.W, g.Q), q1 = end_over(at.w, g.W, g.Q);
    for (int o = first_over(at.d, g.D, g.O); o < end_over(at.d, g.D, g.O); ++o) {
        for (int p = p0; p < p1; ++p) {
            for (int q = q0; q < q1; ++q) visit(((o * g.P + p) * g.Q + q) * g.step(), o, p, q);
        }
    }
}
