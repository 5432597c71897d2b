/*
Batch normalisation apply: normalises, scales, adds a residual and rectifies in one pass. It is also the inference pass.

math:     y = relu?(gamma[c] * (x - mean[c]) * rstd + beta[c] + residual?), rstd given or 1 / sqrt(var[c] + eps)
layout:   x, residual, y (N,L,C) with NHWC=1, (N,C,L) with NHWC=0; the others (C)
threads:  walk.cuh; a thread keeps its channels' parameters in registers, and four loads in flight
shared:   0
flops:    4*N*C*L
bytes:    2*e*N*C*L
requires: 256 threads a block; N*L below 2^31; VEC > 1 needs C % VEC = 0 (NHWC) or L % VEC = 0
numerics: ACC, rounded once on the way out
optional: gamma beta var rstd residual
*/
#include "moments.cuh"
#include "walk.cuh"

struct Line {
    ACC centre[VEC], scale[VEC], shift[VEC];  // of this thread's channels
};

// This thread's packs, AHEAD at a time: so many are fetched of each array before the first is looked at.
template <int AHEAD, bool RESIDUAL>
__device__ __forceinline__ void normalise(Walk walk, const Line& line, const T* x, const T* residual, T* y, int relu) {
    for (; walk.has(1); walk.at += AHEAD * walk.step) {
        Raw below[AHEAD], beside[AHEAD];
#pragma unroll
        for (int u = 0; u < AHEAD; ++u) {
            if (walk.has(u + 1)) below[u].fetch(x + walk.address(u));
            if (RESIDUAL && walk.has(u + 1)) beside[u].fetch(residual + walk.address(u));
        }
#pragma unroll
        for (int u = 0; u < AHEAD; ++u) {
            if (!walk.has(u + 1)) continue;
            ACC v[VEC], more[VEC];
            below[u].widen(v);
            if (RESIDUAL) beside[u].widen(more);
#pragma unroll
            for (int j = 0; j < VEC; ++j) {
                v[j] = (v[j] - line.centre[j]) * line.scale[j] + line.shift[j];
                if (RESIDUAL) v[j] += more[j];
                v[j] = relu && v[j] < 0 ? (ACC)0 : v[j];
            }
            store_channels<VEC>(y + walk.address(u), v);
        }
    }
}

extern "C" __global__ void __launch_bounds__(256, HELD) batch_norm_apply(
    const T* __restrict__ x, const ACC* __restrict__ gamma, const ACC* __restrict__ beta,
    const ACC* __restrict__ mean, const ACC* __restrict__ var, const ACC* __restrict__ rstd,
    const T* __restrict__ residual, T* __restrict__ y, Norm g, int columns, ACC eps, int relu)
{
    // seek to the channels of this thread
    const Walk walk(g, columns);
    Line line;
    ACC inverse[VEC];
    of_channels(mean, walk, 0, line.centre);
    of_channels(rstd ? rstd : var, walk, 1, inverse);
    of_channels(gamma, walk, 1, line.scale);
    of_channels(beta, walk, 0, line.shift);
#pragma unroll
    for (int j = 0; j < VEC; ++j) line.scale[j] *= rstd ? inverse[j] : rstd_of(inverse[j], eps);

    // combine and write, four loads in flight
    if (residual) normalise<2, true>(walk, line, x, residual, y, relu);
    else normalise<4, false>(walk, line, x, residual, y, relu);
}
