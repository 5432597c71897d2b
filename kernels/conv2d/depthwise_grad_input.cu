/*
conv2d gradient of the input, depthwise: each thread gathers 16 bytes of channels of four input pixels.

math:     gx[n,c,h,w] = sum over r,s of gy[n,c,p,q] * weight[c,0,r,s] where p*stride_h - pad_h + r*dil_h = h,
          q*stride_w - pad_w + s*dil_w = w
layout:   gy (N,P,Q,C), gx (N,H,W,C), weight (C,R,S), row-major
threads:  a block owns 32 columns of VEC channels (fewer where C has not so many) x 32 input pixels or more, a thread
          one column of four pixels
shared:   9*(32*VEC + 4)*(4 if e < 8 else 8)
flops:    2*N*P*Q*K*R*S
bytes:    e*(N*H*W*C + N*P*Q*K + K*R*S)
requires: groups = C = K; N*H*W below 2^31; VEC = 16/e with C a multiple of it and aligned arrays, or VEC = 1
numerics: one running sum in ACC, in the order r, s
*/
#include "depthwise.cuh"

extern "C" __global__ void __launch_bounds__(THREADS, 2) conv2d_depthwise_grad_input(
    const T* __restrict__ gy, const T* __restrict__ weight, T* __restrict__ gx, Conv2d g, int lanes)
{
    filter_channels(gy, weight, nullptr, nullptr, gx, g, lanes, g.P * g.Q, g.H, g.W, [&](int h, int w, int r, int s) {
        const int p = g.out_row(h, r), q = g.out_col(w, s);
        return p < 0 || q < 0 ? -1 : p * g.Q + q;
    });
}
