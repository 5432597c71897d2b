/*
Batch normalisation statistics, second step: joins the parts' moments and moves the running ones towards them.

math:     mean[c], var = moments of the union of the parts, var the biased one; rstd[c] = 1 / sqrt(var + eps);
          running_mean[c] = keep * running_mean[c] + step * mean[c]; running_var[c] = keep * running_var[c] + step_var * var;
          batches[0] += 1
layout:   parts (2,J,C): means, sums of squared deviations; x (N,L,C) with NHWC=1, (N,C,L) with NHWC=0; the others (C)
threads:  merge.cuh: a block owns 8 channels, 32 lanes a channel
shared:   3*64*(4 if e < 8 else 8)
flops:    8*J*C
bytes:    4*2*J*C
requires: 256 threads a block; part j holds rows j*each up to (j+1)*each of `rows`, each row `weight` elements, as in walk.cuh
numerics: the mean first, then the deviations from it: sums of fixed order; x is read where their squares overflowed
optional: running_mean running_var batches
*/
#include "far.cuh"
#include "merge.cuh"

extern "C" __global__ void __launch_bounds__(256) batch_norm_merge_statistics(
    const T* __restrict__ x, const ACC* __restrict__ parts, ACC* __restrict__ mean, ACC* __restrict__ rstd,
    ACC* running_mean, ACC* running_var, i64* batches, Norm g, int J, int rows, int weight, ACC eps, ACC keep, ACC step,
    ACC step_var)
{
    // seek
    __shared__ ACC room[3][8][8];
    const int C = g.C;
    const Lane lane(C);
    const i64 each = ((i64)rows + J - 1) / J;
    const auto count = [&](int j) { return (ACC)larger(0, smaller(each, rows - j * each)); };  // rows of part j

    // combine the means, then what lies around them
    const ACC share = (ACC)1 / rows;
    ACC sum = 0, m2 = 0;
    for (int j = lane.first; lane.real && j < J; j += 32) sum += parts[(i64)j * C + lane.c] * (count(j) * share);
    const ACC centre = over_lanes(sum, room[0]);
    for (int j = lane.first; lane.real && j < J; j += 32) {
        const ACC delta = count(j) > 0 ? parts[(i64)j * C + lane.c] - centre : (ACC)0;
        m2 += parts[(i64)(J + j) * C + lane.c] + delta * delta * (count(j) * weight);
    }
    m2 = over_lanes(m2, room[1]);
    const bool far = lane.real && overflowed(centre, m2);
    const ACC squares = over_lanes(far ? far_squares(x, g, lane.c, centre, lane.first, 32) : (ACC)0, room[2]);

    // write
    if (!lane.writes()) return;
    const ACC M = (ACC)rows * weight;
    const Spread spread = far ? Spread::far(M, squares) : Spread(M, m2, eps);
    mean[lane.c] = centre, rstd[lane.c] = spread.rstd;
    move(running_mean, lane.c, keep, step, centre);
    move(running_var, lane.c, keep, step_var, spread.variance);
    if (batches && lane.c == 0) ++*batches;
}
