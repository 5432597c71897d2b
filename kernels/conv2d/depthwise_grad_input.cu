/*
conv2d gradient of the input, depthwise: each thread gathers 16 bytes of channels of one input pixel.

math:     gx[n,c,h,v] = sum over r,s of gy[n,c,p,q] * w[c,0,r,s] where p*stride_h - pad_h + r*dil_h = h, and q likewise
layout:   gy (N,P,Q,C), gx (N,H,W,C), w (R,S,C), row-major
threads:  a thread owns VEC channels of one input pixel, in memory order
shared:   0
flops:    2*N*P*Q*K*R*S
bytes:    e*(N*H*W*C + N*P*Q*K + K*R*S)
requires: groups = C = K; VEC = 16/e with C a multiple of it and aligned arrays, or VEC = 1
numerics: one running sum in ACC, in the order r, s
*/
#include "../common.cuh"

extern "C" __global__ void conv2d_depthwise_grad_input(
    const T* __restrict__ gy, const T* __restrict__ w, T* __restrict__ gx,
    int N, int C, int H, int W, int K, int R, int S, int P, int Q,
    int stride_h, int stride_w, int pad_h, int pad_w, int dil_h, int dil_w, int groups)
{
    const int columns = C / VEC;
    const i64 i = thread_index();
    if (i >= (i64)N * H * W * columns) return;
    const int c = i % columns * VEC, v = i / columns % W, h = i / ((i64)columns * W) % H, n = i / ((i64)columns * W * H);
    const T* image = gy + (i64)n * P * Q * C + c;

    ACC sum[VEC] = {};
    for (int r = 0; r < R; ++r) {
        const int above = h + pad_h - r * dil_h;
        if (above < 0 || above % stride_h || above / stride_h >= P) continue;
        for (int s = 0; s < S; ++s) {
            const int left = v + pad_w - s * dil_w;
            if (left < 0 || left % stride_w || left / stride_w >= Q) continue;
            ACC value[VEC], weight[VEC];
            load_channels<VEC>(image + (above / stride_h * Q + left / stride_w) * C, value);
            load_channels<VEC>(w + (r * S + s) * C + c, weight);
#pragma unroll
            for (int j = 0; j < VEC; ++j) sum[j] += value[j] * weight[j];
        }
    }
    store_channels<VEC>(gx + i * VEC, sum);
}
