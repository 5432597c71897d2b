/*
Batch normalisation backward, second step: joins the parts' sums into the gradients of gamma and beta.

math:     gbeta[c] = sum over j of parts[0,j,c]; ggamma[c] = sum over j of parts[1,j,c] * rstd[c]
layout:   parts (2,J,C); rstd, ggamma, gbeta (C)
threads:  merge.cuh: a block owns 8 channels, 32 lanes a channel
shared:   2*64*(4 if e < 8 else 8)
flops:    2*J*C
bytes:    4*2*J*C
requires: 256 threads a block
numerics: sums of fixed order
*/
#include "merge.cuh"

extern "C" __global__ void __launch_bounds__(256) batch_norm_merge_sums(
    const ACC* __restrict__ parts, const ACC* __restrict__ rstd, ACC* __restrict__ ggamma, ACC* __restrict__ gbeta,
    int C, int J)
{
    __shared__ ACC room[2][8][8];
    const Lane lane(C);
    ACC sum = 0, slope = 0;
    for (int j = lane.first; lane.real && j < J; j += 32) {
        sum += parts[(i64)j * C + lane.c], slope += parts[(i64)(J + j) * C + lane.c];
    }
    sum = over_lanes(sum, room[0]), slope = over_lanes(slope, room[1]);
    if (!lane.writes()) return;
    gbeta[lane.c] = sum;
    ggamma[lane.c] = slope * rstd[lane.c];
}
