/*
conv2d gradient of the weight, depthwise: each block sums one filter tap of 32*VEC channels over one part of the pixels.

math:     parts[j,(r,s),c] = sum over the pixels (n,p,q) of part j of gy[n,c,p,q] * x[n,c,h,v];
          reduce/sum_parts.cu adds the parts
layout:   gy (N,P,Q,C), x (N,H,W,C), parts (J,R*S,C), row-major
threads:  256 a block, 32 columns of VEC channels x 8 pixels; blockIdx = (columns, tap, part)
shared:   8*32*VEC*(4 if e < 8 else 8)
flops:    2*N*P*Q*K*R*S
bytes:    e*(N*H*W*C + N*P*Q*K) + 4*K*R*S
requires: groups = C = K; N*P*Q below 2^31; VEC = 16/e with C a multiple of it and aligned arrays, or VEC = 1
numerics: running sums in ACC, joined and added in a fixed order: the same bits at every run
*/
#include "../common.cuh"

extern "C" __global__ void __launch_bounds__(256) conv2d_depthwise_grad_weight(
    const T* __restrict__ gy, const T* __restrict__ x, ACC* __restrict__ parts,
    int N, int C, int H, int W, int K, int R, int S, int P, int Q,
    int stride_h, int stride_w, int pad_h, int pad_w, int dil_h, int dil_w, int groups)
{
    __shared__ ACC found[VEC][8][32];
    const int lane = threadIdx.x % 32, row = threadIdx.x / 32, c = (blockIdx.x * 32 + lane) * VEC;
    const int tap = blockIdx.y, off_h = tap / S * dil_h - pad_h, off_w = tap % S * dil_w - pad_w;
    const int M = N * P * Q, each = ceil_div(M, gridDim.z), end = smaller((blockIdx.z + 1) * (i64)each, (i64)M);

    ACC sum[VEC] = {};
    for (int m = blockIdx.z * each + row; c < C && m < end; m += 8) {
        const int h = m / Q % P * stride_h + off_h, v = m % Q * stride_w + off_w;
        if (h < 0 || h >= H || v < 0 || v >= W) continue;
        ACC above[VEC], value[VEC];
        load_channels<VEC>(gy + (i64)m * C + c, above);
        load_channels<VEC>(x + (((i64)(m / (P * Q)) * H + h) * W + v) * C + c, value);
#pragma unroll
        for (int j = 0; j < VEC; ++j) sum[j] += above[j] * value[j];
    }
#pragma unroll
    for (int j = 0; j < VEC; ++j) found[j][row][lane] = sum[j];
    __syncthreads();
    if (row > 0 || c >= C) return;
    for (int j = 0; j < VEC; ++j) {
        for (int i = 1; i < 8; ++i) sum[j] += found[j][i][lane];
        parts[((i64)blockIdx.z * gridDim.y + tap) * C + c + j] = sum[j];
    }
}
