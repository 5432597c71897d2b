/*
conv2d gradient of the weight, depthwise: each block sums one filter tap of 32*VEC channels over one part of the pixels.

math:     parts[j,c,(r,s)] = sum over the pixels (n,p,q) of part j of gy[n,c,p,q] * x[n,c,h,w];
          reduce/sum_parts.cu adds the parts
layout:   gy (N,P,Q,C), x (N,H,W,C), parts (J,C,R*S), row-major
threads:  256 a block, 32 columns of VEC channels x 8 pixels; blockIdx = (columns, tap, part)
shared:   8*32*VEC*(4 if e < 8 else 8)
flops:    2*N*P*Q*K*R*S
bytes:    e*(N*H*W*C + N*P*Q*K) + 4*K*R*S
requires: groups = C = K; N*P*Q below 2^31; VEC = 16/e with C a multiple of it and aligned arrays, or VEC = 1
numerics: running sums in ACC, joined and added in a fixed order: the same bits at every run
*/
#include "geometry.cuh"

extern "C" __global__ void __launch_bounds__(256) conv2d_depthwise_grad_weight(
    const T* __restrict__ gy, const T* __restrict__ x, ACC* __restrict__ parts, Conv2d g)
{
    // seek to this thread's channels, the block's tap and part
    __shared__ ACC found[VEC][8][32];
    const int lane = threadIdx.x % 32, row = threadIdx.x / 32, c = (blockIdx.x * 32 + lane) * VEC;
    const int tap = blockIdx.y, r = tap / g.S, s = tap % g.S, M = g.N * g.P * g.Q;
    const int each = ceil_div(M, gridDim.z), end = smaller((blockIdx.z + 1) * (i64)each, (i64)M);

    // combine every eighth pixel of the part
    ACC sum[VEC] = {};
    for (int m = blockIdx.z * each + row; c < g.C && m < end; m += 8) {
        const int h = g.row(m / g.Q % g.P, r), w = g.col(m % g.Q, s), n = m / (g.P * g.Q);
        if (g.inside(h, w)) add_products(gy + (i64)m * g.C + c, x + (((i64)n * g.H + h) * g.W + w) * g.C + c, sum);
    }

    // add the eight rows of threads in order, and write
#pragma unroll
    for (int j = 0; j < VEC; ++j) found[j][row][lane] = sum[j];
    __syncthreads();
    if (row > 0 || c >= g.C) return;
    for (int j = 0; j < VEC; ++j) {
        for (int i = 1; i < 8; ++i) sum[j] += found[j][i][lane];
        parts[((i64)blockIdx.z * g.C + c + j) * gridDim.y + tap] = sum[j];
    }
}
