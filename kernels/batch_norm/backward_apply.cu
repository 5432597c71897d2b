/*
Batch normalisation backward, last step: the gradient of x, and of the residual where one was added.

math:     g = what the gate lets through of gy (gate.cuh); n = (x - mean[c]) * rstd[c]; gresidual = g;
          gx = gamma[c] * rstd[c] * (training ? g - gbeta[c]/M - n*ggamma[c]/M : g), M = N*L
layout:   gy, x, y, gx, gresidual (N,L,C) with NHWC=1, (N,C,L) with NHWC=0; signs (N*L*C/8); the others (C)
threads:  walk.cuh; a thread keeps its channels' parameters in registers, and four loads in flight, with y six, backwards
shared:   5*32*VEC*(4 if e < 8 else 8)
flops:    5*N*C*L
bytes:    3*e*N*C*L
requires: 256 threads a block; N*L below 2^31; VEC > 1 needs C % VEC = 0 (NHWC) or L % VEC = 0; not both y and signs
numerics: ACC, rounded once on the way out
optional: y signs gamma beta gresidual
*/
#include "spread.cuh"

extern "C" __global__ void __launch_bounds__(256, HELD_BACK) batch_norm_backward_apply(
    const T* __restrict__ gy, const T* __restrict__ x, const T* __restrict__ y, const u8* __restrict__ signs,
    const ACC* __restrict__ gamma, const ACC* __restrict__ beta, const ACC* __restrict__ mean,
    const ACC* __restrict__ rstd, const ACC* __restrict__ ggamma, const ACC* __restrict__ gbeta, T* __restrict__ gx,
    T* __restrict__ gresidual, Norm g, int columns, int relu, int training)
{
    __shared__ Slopes slopes;
    const Walk walk(g, columns);
    const Channels own(g.C, columns);
    make_slopes(slopes, own, gamma, beta, mean, rstd);
    const Gate gate = {y, signs, relu};
    spread_out(g, walk, own, slopes, gy, x, gate, rstd, ggamma, gbeta, gx, gresidual, training);
}
