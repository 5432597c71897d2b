/*
conv2d forward, depthwise (one filter a channel): memory-bound, so each thread does 16 bytes of channels of one pixel.

math:     y[n,c,p,q] = bias[c] + sum over r,s of x[n,c,h,w] * weight[c,0,r,s], h = p*stride_h - pad_h + r*dil_h,
          w = q*stride_w - pad_w + s*dil_w, inside x
layout:   x (N,H,W,C), y (N,P,Q,C), weight (R,S,C), row-major; bias (C)
threads:  a thread owns VEC channels of one output pixel, in memory order; its window's rows come from L1 after the first
shared:   0
flops:    2*N*P*Q*K*R*S
bytes:    e*(N*H*W*C + N*P*Q*K + K*R*S)
requires: groups = C = K; VEC = 16/e with C a multiple of it and aligned arrays, or VEC = 1
numerics: one running sum in ACC, in the order r, s
optional: bias
*/
#include "geometry.cuh"

extern "C" __global__ void conv2d_depthwise_forward(
    const T* __restrict__ x, const T* __restrict__ weight, const T* __restrict__ bias, T* __restrict__ y, Conv2d g)
{
    // seek to this thread's channels of one output pixel
    const int columns = g.C / VEC;
    const i64 i = thread_index();
    if (i >= (i64)g.N * g.P * g.Q * columns) return;
    const int c = i % columns * VEC, q = i / columns % g.Q, p = i / ((i64)columns * g.Q) % g.P;
    const int n = i / ((i64)columns * g.Q * g.P);
    const T* image = x + (i64)n * g.H * g.W * g.C + c;

    // combine the window's pixels, channel by channel
    ACC sum[VEC] = {};
    if (bias) load_channels<VEC>(bias + c, sum);
    for (int r = 0; r < g.R; ++r) {
        for (int s = 0; s < g.S; ++s) {
            const int h = g.row(p, r), w = g.col(q, s);
            if (g.inside(h, w)) add_products(image + (h * g.W + w) * g.C, weight + (r * g.S + s) * g.C + c, sum);
        }
    }

    // write
    store_channels<VEC>(y + i * VEC, sum);
}
