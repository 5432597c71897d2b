/*
Filter, gradient of the input: a thread gathers what an element and its copies in the border gave.

math:     gx[n,d,h,w] = sum over the places (i,j,k) of the bordered x that (d,h,w) was copied to, itself first among them in
          order, and over a,r,s of gy[n, i + front - a, j + top - r, k + left - s] * kernel[a,r,s], where gy has such a place
layout:   gy, gx (N,D,H,W), kernel (A,R,S), row-major
threads:  a thread owns one of `count` elements of gx: of all, or with `frame` (D = 1) of those near the edges, which the
          border copies; the rest stays as it is
shared:   0
flops:    2*N*D*H*W*A*R*S
bytes:    e*(2*N*D*H*W + A*R*S)
requires: frame: D = A = 1, count that of the frame in the planes
numerics: sums in ACC, by i, j, k, then a, r, s
*/
#include "planes.cuh"

// The places of a bordered axis of n, `before` longer at its head and `after` at its end: head, the element's own, end.
__device__ __forceinline__ int place_of(int number, int own, int n, int before) {
    return number < before ? number - before : number == before ? own : n + number - before - 1;
}

// An element of a frame of R rows and S columns inside the edges, along axes that the filter goes along: of planes that have
// a copy in a border it holds all.
__device__ __forceinline__ Place framed(const Planes& g, i64 at) {
    const int rows = g.R > 1 ? smaller(g.H, 2ll * g.R) : 0, columns = g.S > 1 ? smaller(g.W, 2ll * g.S) : 0;
    const i64 whole = (i64)rows * g.W, each = whole + (i64)(g.H - rows) * columns;
    Place own(g, 0);
    own.n = at / each;
    i64 rest = at % each;
    if (rest < whole) {
        own.w = part(rest, g.W);
        own.h = rest < g.R ? rest : g.H - rows + rest;
    } else {
        rest -= whole;
        const int column = part(rest, columns);
        own.w = column < g.S ? column : g.W - columns + column;
        own.h = (g.R > 1 ? g.R : 0) + rest;
    }
    return own;
}

// What one place of the bordered x was multiplied with.
__device__ __forceinline__ ACC gathered(const T* gy, const T* kernel, const Planes& g, int i, int j, int k) {
    ACC sum = 0;
    for (int a = 0; a < g.A; ++a) {
        if (!within(i + g.front - a, g.D)) continue;
        for (int r = 0; r < g.R; ++r) {
            if (!within(j + g.top - r, g.H)) continue;
            const T* row = gy + ((i64)(i + g.front - a) * g.H + j + g.top - r) * g.W;
            for (int s = 0; s < g.S; ++s)
                if (within(k + g.left - s, g.W))
                    sum += load(row + k + g.left - s) * load(kernel + (a * g.R + r) * g.S + s);
        }
    }
    return sum;
}

extern "C" __global__ void naive_filter_grad_input(const T* gy, const T* kernel, T* gx, Planes g, i64 count, int frame)
{
    // Name the work.
    const i64 number = thread_index();
    if (number >= count) return;
    const Place own = frame ? framed(g, number) : Place(g, number);
    const i64 volume = own.n * g.D * g.H * g.W;
    gy += volume;

    ACC sum = 0;
    for (int a = 0; a < g.A; ++a) {
        const int i = place_of(a, own.d, g.D, g.front);
        if (mapped(i, g.D, g.border) != own.d) continue;
        for (int r = 0; r < g.R; ++r) {
            const int j = place_of(r, own.h, g.H, g.top);
            if (mapped(j, g.H, g.border) != own.h) continue;
            for (int s = 0; s < g.S; ++s) {
                const int k = place_of(s, own.w, g.W, g.left);
                if (mapped(k, g.W, g.border) == own.w) sum += gathered(gy, kernel, g, i, j, k);
            }
        }
    }
    store(gx + volume + ((i64)own.d * g.H + own.h) * g.W + own.w, sum);
}
