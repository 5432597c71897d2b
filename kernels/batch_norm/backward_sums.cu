/*
Batch normalisation backward, first step: the gradients of gamma and beta, from two sums of each channel.

math:     g = what the gate lets through of gy (gate.cuh); parts[0,j,c] = sum of g, parts[1,j,c] = sum of g * (x - mean[c])
          over part j; gbeta[c] = sum over j of parts[0,j,c]; ggamma[c] = sum over j of parts[1,j,c] * rstd[c]
layout:   gy, x, y (N,L,C) with NHWC=1, (N,C,L) with NHWC=0; signs (N*L*C/8); parts (2,J,C), J = gridDim.y;
          tickets (gridDim.x); the others (C)
threads:  walk.cuh; four loads in flight, with y six; the last block of a column joins its parts (tail.cuh)
shared:   (2*256*VEC + 3*32*VEC)*(4 if e < 8 else 8)
flops:    4*N*C*L
bytes:    2*e*N*C*L
requires: 256 threads a block; N*L below 2^31; VEC > 1 needs C % VEC = 0 (NHWC) or L % VEC = 0; tickets 0; not both y and signs
numerics: running sums in ACC, joined as trees of fixed shape
optional: y signs gamma beta
*/
#include "sums.cuh"

extern "C" __global__ void __launch_bounds__(256, HELD_BACK) batch_norm_backward_sums(
    const T* __restrict__ gy, const T* __restrict__ x, const T* __restrict__ y, const u8* __restrict__ signs,
    const ACC* __restrict__ gamma, const ACC* __restrict__ beta, const ACC* __restrict__ mean,
    const ACC* __restrict__ rstd, ACC* parts, ACC* ggamma, ACC* gbeta, int* tickets, Norm g, int columns, int relu)
{
    __shared__ Slopes slopes;
    const Walk walk(g, columns);
    make_slopes(slopes, Channels(g.C, columns), gamma, beta, mean, rstd);
    sum_up(g, walk, columns, slopes, gy, x, Gate{y, signs, relu}, rstd, parts, ggamma, gbeta, tickets);
}
