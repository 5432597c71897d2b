/*
Batch normalisation apply: normalises, scales, adds a residual and rectifies in one pass. It is also the inference pass.

math:     y = relu?(gamma[c] * (x - mean[c]) * rstd + beta[c] + residual?), rstd given or 1 / sqrt(var[c] + eps);
          signs: bit k of byte b is y > 0 of element 8*b + k in memory order
layout:   x, residual, y (N,L,C) with NHWC=1, (N,C,L) with NHWC=0; signs (N*L*C/8); the others (C)
threads:  walk.cuh; a thread keeps its channels' parameters in registers, and four loads in flight, backwards
shared:   3*32*VEC*(4 if e < 8 else 8)
flops:    4*N*C*L
bytes:    2*e*N*C*L
requires: 256 threads a block; N*L below 2^31; VEC > 1 needs C % VEC = 0 (NHWC) or L % VEC = 0; signs want a residual,
          NHWC=1 and C % 8 = 0
numerics: ACC, rounded once on the way out
optional: gamma beta var rstd residual signs
*/
#include "normalise.cuh"

extern "C" __global__ void __launch_bounds__(256, HELD) batch_norm_apply(
    const T* __restrict__ x, const ACC* __restrict__ gamma, const ACC* __restrict__ beta,
    const ACC* __restrict__ mean, const ACC* __restrict__ var, const ACC* __restrict__ rstd,
    const T* __restrict__ residual, T* __restrict__ y, u8* __restrict__ signs, Norm g, int columns, ACC eps,
    int relu)
{
    __shared__ Line line;
    const Walk walk(g, columns);
    make_line(line, Channels(g.C, columns), gamma, beta, mean, rstd, var, eps);
    normalise(walk, line, x, residual, y, signs, relu);
}
