/*
Local response normalisation, backward.

math:     gx[c] = gy[c] * divisor[c]^-beta - 2 * scale * beta * x[c] * sum of gy * x * slope over the channels in whose
          windows c is, c - after to c + before; divisor and slope as in forward
layout:   gy, x, slope, gx (N,L,C) with NHWC=1, (N,C,L) with NHWC=0
threads:  as local_response_forward
shared:   0
flops:    14*N*C*L
bytes:    3*e*N*C*L + (4 if e < 8 else 8)*N*C*L
requires: VEC > 1 needs C % VEC = 0 (NHWC) or L % VEC = 0
numerics: sums in ACC by channel; where a slope is too small for float, all of it anew in double
*/
#include "window.cuh"

// Of the element at this place, in double.
__device__ __forceinline__ double far_gradient(
    const T* gy, const T* x, const Channels& g, i64 at, int c, double scale, double beta, double k)
{
    const i64 step = NHWC ? 1 : g.L;
    double sum = 0, own = 1;
#pragma unroll 1
    for (int t = -g.after; t <= g.before; ++t) {
        if (!within(c + t, g.C)) continue;
        const i64 there = at + t * step;
        const double divisor = far_divisor(x, g, there, c + t, scale, k);
        sum += (double)load(gy + there) * load(x + there) * (pow(divisor, -beta) / divisor);
        if (t == 0) own = divisor;
    }
    return load(gy + at) * pow(own, -beta) - 2 * scale * beta * load(x + at) * sum;
}

extern "C" __global__ void local_response_backward(
    const T* __restrict__ gy, const T* __restrict__ x, const ACC* __restrict__ slope, T* __restrict__ gx, Channels g,
    double scale, double beta, double k)
{
    // seek
    const Neighbours own(g);
    if (!own.real) return;

    // combine the squares of each element's own window, and what the windows that it is in have of it
    ACC square[VEC] = {}, sum[VEC] = {};
    bool far = false;
    const int side = larger(g.before, g.after);
    for (int t = -side; t <= side + (NHWC ? VEC - 1 : 0); ++t) {
        ACC v[VEC], e[VEC], s[VEC];
        if (!own.fetch(x, g, t, v)) continue;
        own.fetch(gy, g, t, e), own.fetch(slope, g, t, s);
#pragma unroll
        for (int j = 0; j < VEC; ++j) {
            far = far || s[j] < (ACC)1e-30;
            if (own.sees(t, j, g.before, g.after)) square[j] += v[j] * v[j];
            if (own.sees(t, j, g.after, g.before)) sum[j] += e[j] * v[j] * s[j];
        }
    }

    // write
    ACC e[VEC], v[VEC];
    load_channels<VEC>(gy + own.at, e), load_channels<VEC>(x + own.at, v);
#pragma unroll
    for (int j = 0; j < VEC; ++j) {
        if (sizeof(ACC) < 8 && far) {
            v[j] = far_gradient(gy, x, g, own.at + j, own.channel(j), scale, beta, k);
        } else {
            const ACC power = pow((ACC)k + (ACC)scale * square[j], -(ACC)beta);
            v[j] = e[j] * power - 2 * (ACC)scale * (ACC)beta * v[j] * sum[j];
        }
    }
    store_channels<VEC>(gx + own.at, v);
}
