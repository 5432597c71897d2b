/*
Global average pooling forward: adaptive average pooling to 1x1, many threads a plane.

math:     y[n,c] = mean of x[n,c,h,w] over h,w
layout:   x (N,C,H,W) channels-last (NHWC=1) or row-major (NHWC=0); y (N,C)
threads:  32 x 8 a block, blockIdx.x the sample. NHWC: threadIdx.x owns a channel, threadIdx.y takes every eighth pixel.
          Row-major: a warp (threadIdx.y) owns a channel, its lanes take every 32nd pixel.
shared:   NHWC*8*32*(4 if e < 8 else 8)
flops:    N*C*H*W
bytes:    e*N*C*(H*W + 1)
requires: one sample below 2^31 elements; C up to 65535*8
numerics: 8 (NHWC) or 32 running sums in ACC, joined in a fixed order
*/
#include "geometry.cuh"

extern "C" __global__ void global_avg_pool2d_forward(const T* x, T* y, Pool2d g) {
    const int n = blockIdx.x, C = g.C, L = g.H * g.W, lane = threadIdx.x, row = threadIdx.y;
    const T* image = x + (i64)n * L * C;
    ACC sum = 0;
#if NHWC
    __shared__ ACC sums[8][32];
    const int c = blockIdx.y * 32 + lane;
    if (c < C) {
        for (int at = row; at < L; at += 8) sum += load(image + (i64)at * C + c);
    }
    sums[row][lane] = sum;
    __syncthreads();
    if (row == 0 && c < C) {
        for (int j = 1; j < 8; ++j) sum += sums[j][lane];
        store(y + (i64)n * C + c, sum / L);
    }
#else
    const int c = blockIdx.y * 8 + row;
    if (c < C) {
        for (int at = lane; at < L; at += 32) sum += load(image + (i64)c * L + at);
    }
    sum = add_lanes(sum);
    if (lane == 0 && c < C) store(y + (i64)n * C + c, sum / L);
#endif
}
