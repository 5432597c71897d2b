/*
Batch normalisation backward, second step: joins the parts' sums into the gradients of gamma and beta.

math:     gbeta[c] = sum over j of parts[0,j,c]; ggamma[c] = sum over j of parts[1,j,c] / sqrt(var[c] + eps)
layout:   parts (2,J,C); var, ggamma, gbeta (C)
threads:  one a channel
shared:   0
flops:    2*J*C
bytes:    4*2*J*C
requires: none
numerics: part 0 first
*/
#include "moments.cuh"

extern "C" __global__ void batch_norm_merge_sums(
    const ACC* parts, const ACC* var, ACC* ggamma, ACC* gbeta, int C, int J, ACC eps)
{
    const int c = thread_index();
    if (c >= C) return;
    ACC sum = 0, slope = 0;
    for (int j = 0; j < J; ++j) sum += parts[(i64)j * C + c], slope += parts[(i64)(J + j) * C + c];
    gbeta[c] = sum;
    ggamma[c] = slope * rstd_of(var[c], eps);
}
