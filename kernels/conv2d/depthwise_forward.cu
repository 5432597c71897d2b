/*
conv2d forward, depthwise (one filter a channel): memory-bound, so each thread does 16 bytes of channels of one pixel.

math:     y[n,c,p,q] = b[c] + sum over r,s of x[n, c, p*stride_h - pad_h + r*dil_h, q*stride_w - pad_w + s*dil_w] * w[c,0,r,s]
layout:   x (N,H,W,C), y (N,P,Q,C), w (R,S,C), row-major; b (C)
threads:  a thread owns VEC channels of one output pixel, in memory order; its window's rows come from L1 after the first
shared:   0
flops:    2*N*P*Q*K*R*S
bytes:    e*(N*H*W*C + N*P*Q*K + K*R*S)
requires: groups = C = K; VEC = 16/e with C a multiple of it and aligned arrays, or VEC = 1
numerics: one running sum in ACC, in the order r, s
optional: b
*/
#include "../common.cuh"

extern "C" __global__ void conv2d_depthwise_forward(
    const T* __restrict__ x, const T* __restrict__ w, const T* __restrict__ b, T* __restrict__ y,
    int N, int C, int H, int W, int K, int R, int S, int P, int Q,
    int stride_h, int stride_w, int pad_h, int pad_w, int dil_h, int dil_w, int groups)
{
    const int columns = C / VEC;
    const i64 i = thread_index();
    if (i >= (i64)N * P * Q * columns) return;
    const int c = i % columns * VEC, q = i / columns % Q, p = i / ((i64)columns * Q) % P, n = i / ((i64)columns * Q * P);
    const T* image = x + (i64)n * H * W * C + c;

    ACC sum[VEC] = {};
    if (b) load_channels<VEC>(b + c, sum);
    for (int r = 0; r < R; ++r) {
        const int h = p * stride_h - pad_h + r * dil_h;
        if (h < 0 || h >= H) continue;
        for (int s = 0; s < S; ++s) {
            const int v = q * stride_w - pad_w + s * dil_w;
            if (v < 0 || v >= W) continue;
            ACC value[VEC], weight[VEC];
            load_channels<VEC>(image + (h * W + v) * C, value);
            load_channels<VEC>(w + (r * S + s) * C + c, weight);
#pragma unroll
            for (int j = 0; j < VEC; ++j) sum[j] += value[j] * weight[j];
        }
    }
    store_channels<VEC>(y + i * VEC, sum);
}
