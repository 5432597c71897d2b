/*
Batch normalisation backward in one cooperative launch: the sums, a barrier of the grid, then gx, while gy and x are still in
the L2 cache.

math:     ggamma and gbeta as in backward_sums.cu; gx and gresidual as in backward_apply.cu
layout:   gy, x, y, gx, gresidual (N,L,C) with NHWC=1, (N,C,L) with NHWC=0; signs (N*L*C/8); parts (2,J,C), J = gridDim.y;
          tickets (2 + gridDim.x); the others (C)
threads:  walk.cuh; four loads in flight, with y six; the second time from a part's end backwards, over what was read last
shared:   (2*256*VEC + 5*32*VEC)*(4 if e < 8 else 8)
flops:    9*N*C*L
bytes:    3*e*N*C*L
requires: a cooperative launch of 256 threads a block, all resident; N*L below 2^31; VEC > 1 needs C % VEC = 0 (NHWC) or
          L % VEC = 0; tickets 0; not both y and signs
numerics: those of backward_sums.cu and backward_apply.cu, to the last bit
optional: y signs gamma beta gresidual
*/
#include "spread.cuh"
#include "sums.cuh"

extern "C" __global__ void __launch_bounds__(256, HELD_BACK) batch_norm_backward(
    const T* __restrict__ gy, const T* __restrict__ x, const T* __restrict__ y, const u8* __restrict__ signs,
    const ACC* __restrict__ gamma, const ACC* __restrict__ beta, const ACC* __restrict__ mean,
    const ACC* __restrict__ rstd, ACC* parts, ACC* ggamma, ACC* gbeta, T* __restrict__ gx, T* __restrict__ gresidual,
    int* tickets, Norm g, int columns, int relu, int training)
{
    __shared__ Slopes slopes;
    const Walk walk(g, columns);
    const Channels own(g.C, columns);
    const Gate gate = {y, signs, relu};
    make_slopes(slopes, own, gamma, beta, mean, rstd);
    sum_up(g, walk, columns, slopes, gy, x, gate, rstd, parts, ggamma, gbeta, tickets + 2);
    meet(tickets);
    spread_out(g, walk, own, slopes, gy, x, gate, rstd, ggamma, gbeta, gx, gresidual, training);
}
