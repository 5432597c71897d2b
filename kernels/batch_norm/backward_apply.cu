/*
Batch normalisation backward, last step: the gradient of x, and of the residual where one was added.

math:     g = y given ? (y > 0 ? gy : 0) : gy; n = (x - mean[c]) * rstd[c]; gresidual = g;
          gx = gamma[c] * rstd[c] * (training ? g - gbeta[c]/M - n*ggamma[c]/M : g), M = N*L
layout:   gy, x, y, gx, gresidual (N,L,C) with NHWC=1, (N,C,L) with NHWC=0; the others (C)
threads:  walk.cuh; a thread keeps its channels' parameters in registers, and four loads in flight, with y six
shared:   0
flops:    5*N*C*L
bytes:    3*e*N*C*L
requires: 256 threads a block; N*L below 2^31; VEC > 1 needs C % VEC = 0 (NHWC) or L % VEC = 0
numerics: ACC, rounded once on the way out
optional: gamma y gresidual
*/
#include "walk.cuh"

static const int AHEAD = 2;  // packs of an array that are fetched before the first is looked at

extern "C" __global__ void __launch_bounds__(256, VEC == 8 ? 2 : HELD) batch_norm_backward_apply(
    const T* __restrict__ gy, const T* __restrict__ x, const T* __restrict__ y, const ACC* __restrict__ gamma,
    const ACC* __restrict__ mean, const ACC* __restrict__ rstd, const ACC* __restrict__ ggamma,
    const ACC* __restrict__ gbeta, T* __restrict__ gx, T* __restrict__ gresidual,
    Norm g, int columns, int training)
{
    // seek to the channels of this thread
    Walk walk(g, columns);
    ACC centre[VEC], inverse[VEC], scale[VEC], level[VEC], slope[VEC];
    of_channels(mean, walk, 0, centre);
    of_channels(rstd, walk, 1, inverse);
    of_channels(gamma, walk, 1, scale);
    of_channels(gbeta, walk, 0, level);
    of_channels(ggamma, walk, 0, slope);
    const ACC each = training ? (ACC)1 / ((ACC)g.N * g.L) : (ACC)0;
#pragma unroll
    for (int j = 0; j < VEC; ++j) scale[j] *= inverse[j], level[j] *= each, slope[j] *= each * inverse[j];

    // combine and write, two packs of each array at a time
    for (; walk.has(1); walk.at += AHEAD * walk.step) {
        Raw above[AHEAD], below[AHEAD], passed[AHEAD];
#pragma unroll
        for (int u = 0; u < AHEAD; ++u) {
            if (!walk.has(u + 1)) continue;
            below[u].fetch(x + walk.address(u));
            above[u].fetch(gy + walk.address(u));
            if (y) passed[u].fetch(y + walk.address(u));
        }
#pragma unroll
        for (int u = 0; u < AHEAD; ++u) {
            if (!walk.has(u + 1)) continue;
            const i64 at = walk.address(u);
            ACC v[VEC], passing[VEC];
            below[u].widen(v);
            let_through(above[u], passed[u], y, passing);
            if (gresidual) store_channels<VEC>(gresidual + at, passing);
#pragma unroll
            for (int j = 0; j < VEC; ++j) v[j] = scale[j] * (passing[j] - level[j] - (v[j] - centre[j]) * slope[j]);
            store_channels<VEC>(gx + at, v);
        }
    }
}
