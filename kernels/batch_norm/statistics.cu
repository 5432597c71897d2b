/*
Batch normalisation statistics: the moments of each channel, to which the running ones move.

math:     parts[0,j,c] = mean, parts[1,j,c] = sum of squared deviations of x[:,c,:] over part j; mean[c], var = those of
          their union, var the biased one; rstd[c] = 1 / sqrt(var + eps); running_mean[c] += m * (mean[c] - running_mean[c]),
          running_var[c] += m * (ratio * var - running_var[c]), m the momentum, or where it is NaN 1 / (batches[0] + 1);
          batches[0] += 1
layout:   x (N,L,C) with NHWC=1, (N,C,L) with NHWC=0; parts (2,J,C), J = gridDim.y; tickets (1 + gridDim.x); the others (C)
threads:  walk.cuh; four loads in flight; the last block of a column joins its parts (tail.cuh)
shared:   256*(2*VEC + 1)*(4 if e < 8 else 8)
flops:    5*N*C*L
bytes:    e*N*C*L
requires: 256 threads a block; N*L below 2^31; VEC > 1 needs C % VEC = 0 (NHWC) or L % VEC = 0; tickets 0; batches where
          the momentum is NaN
numerics: moments of groups of four, merged by Chan's formula in a fixed order; of the parts the mean first, then the
          deviations from it: sums of fixed order; x is read again where their squares overflowed
optional: running_mean running_var batches
*/
#include "measure.cuh"

extern "C" __global__ void __launch_bounds__(256, HELD) batch_norm_statistics(
    const T* __restrict__ x, ACC* parts, ACC* mean, ACC* rstd, ACC* running_mean, ACC* running_var, i64* batches,
    int* tickets, Norm g, int columns, ACC eps, double momentum, double ratio)
{
    const Walk walk(g, columns);
    measure(
        g, walk, columns, x, parts, eps, momentum, ratio, mean, rstd, running_mean, running_var, batches, tickets);
}
