/*
Batch normalisation statistics, first step: the moments of each channel over each part of the tensor.

math:     parts[0,j,c] = mean, parts[1,j,c] = sum of squared deviations of x[:,c,:] over part j; merge_statistics.cu joins them
layout:   x (N,L,C) with NHWC=1, (N,C,L) with NHWC=0; parts (2,J,C), J = gridDim.y
threads:  walk.cuh; four loads in flight
shared:   256*(2*VEC + 1)*(4 if e < 8 else 8)
flops:    5*N*C*L
bytes:    e*N*C*L
requires: 256 threads a block; N*L below 2^31; VEC > 1 needs C % VEC = 0 (NHWC) or L % VEC = 0
numerics: moments of groups of four, merged by Chan's formula in a fixed order
*/
#include "moments.cuh"
#include "walk.cuh"

extern "C" __global__ void __launch_bounds__(256) batch_norm_statistics(
    const T* __restrict__ x, ACC* __restrict__ parts, int N, int C, int L, int columns)
{
    __shared__ ACC means[VEC][THREADS], spreads[VEC][THREADS];
    __shared__ ACC counts[THREADS];
    Walk walk(N, C, L, columns);

    ACC count = 0, mean[VEC] = {}, spread[VEC] = {};
    for (; walk.has(4); walk.at += 4 * walk.step) {
        ACC v[4][VEC];
#pragma unroll
        for (int u = 0; u < 4; ++u) load_channels<VEC>(x + walk.address(u), v[u]);
        const ACC total = count + 4, share = 4 / total;
#pragma unroll
        for (int j = 0; j < VEC; ++j) {
            const ACC middle = (v[0][j] + v[1][j] + v[2][j] + v[3][j]) / 4, delta = middle - mean[j];
            ACC around = 0;
#pragma unroll
            for (int u = 0; u < 4; ++u) around += (v[u][j] - middle) * (v[u][j] - middle);
            mean[j] += delta * share;
            spread[j] += around + delta * delta * count * share;
        }
        count = total;
    }
    for (; walk.has(1); walk.at += walk.step) {
        ACC v[VEC];
        load_channels<VEC>(x + walk.address(), v);
        count += 1;
        const ACC share = 1 / count;
#pragma unroll
        for (int j = 0; j < VEC; ++j) {
            const ACC delta = v[j] - mean[j];
            mean[j] += delta * share;
            spread[j] += delta * (v[j] - mean[j]);
        }
    }

    const int me = threadIdx.x;
    counts[me] = count;
#pragma unroll
    for (int j = 0; j < VEC; ++j) means[j][me] = mean[j], spreads[j][me] = spread[j];
    for (int half = THREADS / 2; half >= columns; half /= 2) {
        __syncthreads();
        if (me >= half) continue;
        Moments both;
#pragma unroll
        for (int j = 0; j < VEC; ++j) {
            both = merge({counts[me], means[j][me], spreads[j][me]},
                         {counts[me + half], means[j][me + half], spreads[j][me + half]});
            means[j][me] = both.mean, spreads[j][me] = both.spread;
        }
        counts[me] += counts[me + half];
    }
    if (me >= columns || !walk.real) return;
    ACC* out = parts + (i64)blockIdx.y * C + walk.c;
    const i64 further = (i64)gridDim.y * C;
#if NHWC
    for (int j = 0; j < VEC; ++j) out[j] = means[j][me], out[j + further] = spreads[j][me];
#else
    Moments all = {counts[0], means[0][0], spreads[0][0]};  // every element of the packs is of one channel
    for (int j = 1; j < VEC; ++j) all = merge(all, {counts[0], means[j][0], spreads[j][0]});
    out[0] = all.mean, out[further] = all.spread;
#endif
}
