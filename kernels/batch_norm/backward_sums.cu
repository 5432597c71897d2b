/*
Batch normalisation backward, first step: two sums of each channel over each part of the tensor.

math:     g = y given ? (y > 0 ? gy : 0) : gy; parts[0,j,c] = sum of g, parts[1,j,c] = sum of g * (x - mean[c]) over part j
layout:   gy, x, y (N,L,C) with NHWC=1, (N,C,L) with NHWC=0; mean (C); parts (2,J,C), J = gridDim.y
threads:  walk.cuh
shared:   2*256*VEC*(4 if e < 8 else 8)
flops:    4*N*C*L
bytes:    2*e*N*C*L
requires: 256 threads a block; N*L below 2^31; VEC > 1 needs C % VEC = 0 (NHWC) or L % VEC = 0
numerics: running sums in ACC, joined as a tree of fixed shape
optional: y
*/
#include "walk.cuh"

extern "C" __global__ void __launch_bounds__(256, 4) batch_norm_backward_sums(
    const T* __restrict__ gy, const T* __restrict__ x, const T* __restrict__ y, const ACC* __restrict__ mean,
    ACC* __restrict__ parts, Norm g, int columns)
{
    // seek to the channels of this thread
    __shared__ ACC plain[VEC][THREADS], sloped[VEC][THREADS];
    Walk walk(g, columns);
    ACC centre[VEC];
    of_channels(mean, walk, 0, centre);

    // combine this thread's packs, then the threads of a channel
    ACC sum[VEC] = {}, slope[VEC] = {};
    for (; walk.has(1); walk.at += walk.step) {
        const i64 at = walk.address();
        ACC above[VEC], v[VEC];
        load_channels<VEC>(x + at, v);
        rectified(gy, y, at, above);
#pragma unroll
        for (int j = 0; j < VEC; ++j) sum[j] += above[j], slope[j] += above[j] * (v[j] - centre[j]);
    }
    const int me = threadIdx.x;
#pragma unroll
    for (int j = 0; j < VEC; ++j) plain[j][me] = sum[j], sloped[j][me] = slope[j];
    for (int half = THREADS / 2; half >= columns; half /= 2) {
        __syncthreads();
        if (me >= half) continue;
#pragma unroll
        for (int j = 0; j < VEC; ++j) plain[j][me] += plain[j][me + half], sloped[j][me] += sloped[j][me + half];
    }

    // write
    if (me >= columns || !walk.real) return;
    ACC* out = parts + (i64)blockIdx.y * g.C + walk.c;
    const i64 further = (i64)gridDim.y * g.C;
#if NHWC
    for (int j = 0; j < VEC; ++j) out[j] = plain[j][me], out[j + further] = sloped[j][me];
#else
    out[0] = plain[0][0], out[further] = sloped[0][0];  // every element of the packs is of one channel
    for (int j = 1; j < VEC; ++j) out[0] += plain[j][0], out[further] += sloped[j][0];
#endif
}
