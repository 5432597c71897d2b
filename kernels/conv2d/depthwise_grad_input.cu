/*
conv2d gradient of the input, depthwise: each thread gathers 16 bytes of channels of one input pixel.

math:     gx[n,c,h,w] = sum over r,s of gy[n,c,p,q] * weight[c,0,r,s] where p*stride_h - pad_h + r*dil_h = h,
          q*stride_w - pad_w + s*dil_w = w
layout:   gy (N,P,Q,C), gx (N,H,W,C), weight (R,S,C), row-major
threads:  a thread owns VEC channels of one input pixel, in memory order
shared:   0
flops:    2*N*P*Q*K*R*S
bytes:    e*(N*H*W*C + N*P*Q*K + K*R*S)
requires: groups = C = K; VEC = 16/e with C a multiple of it and aligned arrays, or VEC = 1
numerics: one running sum in ACC, in the order r, s
*/
#include "geometry.cuh"

extern "C" __global__ void conv2d_depthwise_grad_input(
    const T* __restrict__ gy, const T* __restrict__ weight, T* __restrict__ gx, Conv2d g)
{
    // seek to this thread's channels of one input pixel
    const int columns = g.C / VEC;
    const i64 i = thread_index();
    if (i >= (i64)g.N * g.H * g.W * columns) return;
    const int c = i % columns * VEC, w = i / columns % g.W, h = i / ((i64)columns * g.W) % g.H;
    const int n = i / ((i64)columns * g.W * g.H);
    const T* image = gy + (i64)n * g.P * g.Q * g.C + c;

    // combine the outputs that this pixel went into, channel by channel
    ACC sum[VEC] = {};
    for (int r = 0; r < g.R; ++r) {
        const int p = g.out_row(h, r);
        for (int s = 0; p >= 0 && s < g.S; ++s) {
            const int q = g.out_col(w, s);
            if (q >= 0) add_products(image + (p * g.Q + q) * g.C, weight + (r * g.S + s) * g.C + c, sum);
        }
    }

    // write
    store_channels<VEC>(gx + i * VEC, sum);
}
