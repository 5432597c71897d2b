/*
Local response normalisation, forward.

math:     divisor = k + scale * sum of x^2 over channels c - before to c + after that there are; y = x * divisor^-beta;
          slope = divisor^(-beta - 1)
layout:   x, y, slope (N,L,C) with NHWC=1, (N,C,L) with NHWC=0
threads:  a thread owns VEC neighbours in memory; what it shares with its neighbours' windows comes from the L1 cache
shared:   0
flops:    8*N*C*L
bytes:    2*e*N*C*L + (4 if e < 8 else 8)*N*C*L
requires: VEC > 1 needs C % VEC = 0 (NHWC) or L % VEC = 0
numerics: squares added in ACC by channel; where that overflows, in double
*/
#include "window.cuh"

extern "C" __global__ void local_response_forward(
    const T* __restrict__ x, T* __restrict__ y, ACC* __restrict__ slope, Channels g, double scale, double beta, double k)
{
    // seek
    const Neighbours own(g);
    if (!own.real) return;

    // combine the squares of the window's channels
    ACC sum[VEC] = {};
    for (int t = -g.before; t <= g.after + (NHWC ? VEC - 1 : 0); ++t) {
        ACC v[VEC];
        if (!own.fetch(x, g, t, v)) continue;
#pragma unroll
        for (int j = 0; j < VEC; ++j)
            if (own.sees(t, j, g.before, g.after)) sum[j] += v[j] * v[j];
    }

    // write
    ACC v[VEC];
    load_channels<VEC>(x + own.at, v);
#pragma unroll
    for (int j = 0; j < VEC; ++j) {
        const ACC divisor = (ACC)k + (ACC)scale * sum[j];
        const ACC power = pow(divisor, -(ACC)beta);
        if (sizeof(ACC) == 8 || isfinite(divisor)) {
            v[j] *= power;
        } else {
            v[j] = v[j] * pow(far_divisor(x, g, own.at + j, own.channel(j), scale, k), -beta);
        }
        sum[j] = power / divisor;
    }
    store_channels<VEC>(y + own.at, v);
#pragma unroll
    for (int j = 0; j < VEC; ++j) slope[own.at + j] = sum[j];
}
