/*
Batch normalisation statistics, second step: joins the parts' moments.

math:     mean[c], var[c] = moments of the union of the parts; var is the biased one
layout:   parts (2,J,C): means, sums of squared deviations; mean, var (C)
threads:  one a channel
shared:   0
flops:    8*J*C
bytes:    4*2*J*C
requires: part j holds rows j*each up to (j+1)*each of `rows`, each row `weight` elements, as in walk.cuh
numerics: Chan's merge, part 0 first
*/
#include "moments.cuh"

extern "C" __global__ void batch_norm_merge_statistics(
    const ACC* parts, ACC* mean, ACC* var, int C, int J, int rows, int weight)
{
    const int c = thread_index();
    if (c >= C) return;
    const i64 each = ceil_div(rows, J);
    Moments all = {};
    for (int j = 0; j < J; ++j) {
        const i64 begin = j * each, end = begin + each < rows ? begin + each : rows;
        if (begin >= end) break;
        all = merge(all, {(ACC)(end - begin) * weight, parts[(i64)j * C + c], parts[(i64)(J + j) * C + c]});
    }
    mean[c] = all.mean;
    var[c] = all.m2 / all.count;
}
