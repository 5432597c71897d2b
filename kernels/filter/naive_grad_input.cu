/*
Filter, gradient of the input: a thread gathers what an element and its copies in the border gave.

math:     gx[n,d,h,w] = sum over the places (i,j,k) of the bordered x that (d,h,w) was copied to, itself first among them in
          order, and over a,r,s of gy[n, i + front - a, j + top - r, k + left - s] * kernel[a,r,s], where gy has such a place
layout:   gy, gx (N,D,H,W), kernel (A,R,S), row-major
threads:  a thread owns one element of gx; with `copied` only those that the border copies, the rest stays as it is
shared:   0
flops:    2*N*D*H*W*A*R*S
bytes:    e*(2*N*D*H*W + A*R*S)
requires: none
numerics: sums in ACC, by i, j, k, then a, r, s
*/
#include "planes.cuh"

// The places of a bordered axis of n, `before` longer at its head and `after` at its end: head, the element's own, end.
__device__ __forceinline__ int place_of(int number, int own, int n, int before) {
    return number < before ? number - before : number == before ? own : n + number - before - 1;
}

// Whether the border holds a copy of place `own`.
__device__ __forceinline__ bool copies(int own, int n, int before, int after, int border) {
    if (border == ZEROS || (own > before + after && own < n - 1 - before - after)) return false;
    for (int number = 0; number <= before + after; ++number)
        if (number != before && mapped(place_of(number, own, n, before), n, border) == own) return true;
    return false;
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

extern "C" __global__ void naive_filter_grad_input(const T* gy, const T* kernel, T* gx, Planes g, int copied)
{
    // Name the work.
    const i64 at = thread_index();
    if (at >= (i64)g.N * g.D * g.H * g.W) return;
    const Place own(g, at);
    if (copied && !copies(own.d, g.D, g.front, g.A - 1 - g.front, g.border) &&
        !copies(own.h, g.H, g.top, g.R - 1 - g.top, g.border) && !copies(own.w, g.W, g.left, g.S - 1 - g.left, g.border))
        return;
    gy += own.n * g.D * g.H * g.W;

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
    store(gx + at, sum);
}
