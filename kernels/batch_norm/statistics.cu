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
    const T* __restrict__ x, ACC* __restrict__ parts, Norm g, int columns)
{
    // seek to the channels of this thread
    __shared__ ACC means[VEC][THREADS], m2s[VEC][THREADS];
    __shared__ ACC counts[THREADS];
    Walk walk(g, columns);

    // combine this thread's packs, four at a time, then the threads of a channel
    ACC count = 0, mean[VEC] = {}, m2[VEC] = {};
    for (; walk.has(4); walk.at += 4 * walk.step) {
        ACC v[4][VEC];
#pragma unroll
        for (int u = 0; u < 4; ++u) load_channels<VEC>(x + walk.address(u), v[u]);
        const ACC total = count + 4, part = 4 / total;
#pragma unroll
        for (int j = 0; j < VEC; ++j) {
            const ACC four = (v[0][j] + v[1][j] + v[2][j] + v[3][j]) / 4, delta = four - mean[j];  // the mean of four
            ACC four_m2 = 0;
#pragma unroll
            for (int u = 0; u < 4; ++u) four_m2 += (v[u][j] - four) * (v[u][j] - four);
            mean[j] += delta * part;
            m2[j] += four_m2 + delta * delta * count * part;
        }
        count = total;
    }
    for (; walk.has(1); walk.at += walk.step) {
        ACC v[VEC];
        load_channels<VEC>(x + walk.address(), v);
        count += 1;
        const ACC part = 1 / count;
#pragma unroll
        for (int j = 0; j < VEC; ++j) {
            const ACC delta = v[j] - mean[j];
            mean[j] += delta * part;
            m2[j] += delta * (v[j] - mean[j]);
        }
    }
    const int me = threadIdx.x;
    counts[me] = count;
#pragma unroll
    for (int j = 0; j < VEC; ++j) means[j][me] = mean[j], m2s[j][me] = m2[j];
    for (int half = THREADS / 2; half >= columns; half /= 2) {
        __syncthreads();
        if (me >= half) continue;
        Moments both;
#pragma unroll
        for (int j = 0; j < VEC; ++j) {
            both = merge({counts[me], means[j][me], m2s[j][me]},
                         {counts[me + half], means[j][me + half], m2s[j][me + half]});
            means[j][me] = both.mean, m2s[j][me] = both.m2;
        }
        counts[me] += counts[me + half];
    }

    // write
    if (me >= columns || !walk.real) return;
    ACC* out = parts + (i64)blockIdx.y * g.C + walk.c;
    const i64 further = (i64)gridDim.y * g.C;
#if NHWC
    for (int j = 0; j < VEC; ++j) out[j] = means[j][me], out[j + further] = m2s[j][me];
#else
    Moments all = {counts[0], means[0][0], m2s[0][0]};  // every element of the packs is of one channel
    for (int j = 1; j < VEC; ++j) all = merge(all, {counts[0], means[j][0], m2s[j][0]});
    out[0] = all.mean, out[further] = all.m2;
#endif
}
