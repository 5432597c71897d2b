/*
Batch normalisation apply: normalises, scales, adds a residual and rectifies in one pass. It is also the inference pass.

math:     y = relu?(gamma[c] * (x - mean[c]) * rstd + beta[c] + residual?), rstd given or 1 / sqrt(var[c] + eps)
layout:   x, residual, y (N,L,C) with NHWC=1, (N,C,L) with NHWC=0; the others (C)
threads:  walk.cuh; a thread keeps its channels' parameters in registers
shared:   0
flops:    4*N*C*L
bytes:    2*e*N*C*L
requires: 256 threads a block; N*L below 2^31; VEC > 1 needs C % VEC = 0 (NHWC) or L % VEC = 0
numerics: ACC, rounded once on the way out
optional: gamma beta var rstd residual
*/
#include "moments.cuh"
#include "walk.cuh"

extern "C" __global__ void __launch_bounds__(256, 4) batch_norm_apply(
    const T* __restrict__ x, const ACC* __restrict__ gamma, const ACC* __restrict__ beta,
    const ACC* __restrict__ mean, const ACC* __restrict__ var, const ACC* __restrict__ rstd,
    const T* __restrict__ residual, T* __restrict__ y, Norm g, int columns, ACC eps, int relu)
{
    // seek to the channels of this thread
    Walk walk(g, columns);
    ACC centre[VEC], inverse[VEC], scale[VEC], shift[VEC];
    of_channels(mean, walk, 0, centre);
    of_channels(rstd ? rstd : var, walk, 1, inverse);
    of_channels(gamma, walk, 1, scale);
    of_channels(beta, walk, 0, shift);
#pragma unroll
    for (int j = 0; j < VEC; ++j) scale[j] *= rstd ? inverse[j] : rstd_of(inverse[j], eps);

    // combine and write, a pack a step
#pragma unroll 4
    for (; walk.has(1); walk.at += walk.step) {
        const i64 at = walk.address();
        ACC v[VEC];
        load_channels<VEC>(x + at, v);
#pragma unroll
        for (int j = 0; j < VEC; ++j) v[j] = (v[j] - centre[j]) * scale[j] + shift[j];
        if (residual) {
            ACC more[VEC];
            load_channels<VEC>(residual + at, more);
#pragma unroll
            for (int j = 0; j < VEC; ++j) v[j] += more[j];
        }
#pragma unroll
        for (int j = 0; j < VEC; ++j) v[j] = relu && v[j] < 0 ? (ACC)0 : v[j];
        store_channels<VEC>(y + at, v);
    }
}
