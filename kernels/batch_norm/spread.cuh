// The last step of batch norm's backward pass: gx, and the gradient of a residual, once the two sums are there.
#pragma once
#include "pairs.cuh"

__device__ __forceinline__ void spread_out(
    const Norm& g, const Walk& walk, const Channels& own, const Slopes& slopes, const T* gy, const T* x, const Gate& gate,
    const ACC* rstd, const ACC* ggamma, const ACC* gbeta, T* gx, T* gresidual, int training)
{
    __shared__ struct { Row level, slope; } off_mean;
    const ACC each = training ? (ACC)1 / ((ACC)g.N * g.L) : (ACC)0;
    for (int i = threadIdx.x; i < own.count; i += THREADS) {
        const int c = own.first + i;
        off_mean.level.of[i] = gbeta[c] * each;
        off_mean.slope.of[i] = ggamma[c] * (each * rstd[c]);
    }
    __syncthreads();
    ACC scale[VEC], level[VEC], slope[VEC];
    slopes.scale.widen(walk, scale), off_mean.level.widen(walk, level), off_mean.slope.widen(walk, slope);
    over_pairs<true>(walk, slopes, gy, x, gate, [&](i64 at, const ACC(&off)[VEC], const ACC(&passing)[VEC]) {
        if (gresidual) store_channels<VEC>(gresidual + at, passing);
        ACC v[VEC];
#pragma unroll
        for (int j = 0; j < VEC; ++j) v[j] = scale[j] * (passing[j] - level[j] - off[j] * slope[j]);
        store_channels<VEC>(gx + at, v);
    });
}
