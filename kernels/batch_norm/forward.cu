/*
Batch normalisation, training forward, in one cooperative launch: statistics, a barrier of the grid, then all the rest, while
x is still in the L2 cache.

math:     mean, rstd and the running statistics as in statistics.cu; y and signs as in apply.cu
layout:   x, residual, y (N,L,C) with NHWC=1, (N,C,L) with NHWC=0; signs (N*L*C/8); parts (2,J,C), J = gridDim.y;
          tickets (3 + gridDim.x); the others (C)
threads:  walk.cuh; four loads in flight; the second time from a part's end backwards, over what was read last
shared:   (256*(2*VEC + 1) + 3*32*VEC)*(4 if e < 8 else 8)
flops:    9*N*C*L
bytes:    2*e*N*C*L
requires: a cooperative launch of 256 threads a block, all resident; N*L below 2^31; VEC > 1 needs C % VEC = 0 (NHWC) or
          L % VEC = 0; signs want a residual, NHWC=1 and C % 8 = 0; tickets 0; batches where the momentum is NaN
numerics: statistics.cu's, to the last bit
optional: gamma beta residual running_mean running_var batches signs
*/
#include "measure.cuh"
#include "normalise.cuh"

extern "C" __global__ void __launch_bounds__(256, HELD) batch_norm_forward(
    const T* __restrict__ x, const ACC* __restrict__ gamma, const ACC* __restrict__ beta, const T* __restrict__ residual,
    T* __restrict__ y, u8* __restrict__ signs, ACC* parts, ACC* mean, ACC* rstd, ACC* running_mean,
    ACC* running_var, i64* batches, int* tickets, Norm g, int columns, ACC eps, int relu, double momentum, double ratio)
{
    __shared__ Line line;
    const Walk walk(g, columns);
    measure(
        g, walk, columns, x, parts, eps, momentum, ratio, mean, rstd, running_mean, running_var, batches, tickets + 2);
    meet(tickets);
    make_line(line, Channels(g.C, columns), gamma, beta, mean, rstd, nullptr, eps);
    normalise(walk, line, x, residual, y, signs, relu);
}
