/*
conv2d forward, depthwise (one filter a channel): memory-bound, so each thread does 16 bytes of channels of four pixels.

math:     y[n,c,p,q] = bias[c] + sum over r,s of x[n,c,h,w] * weight[c,0,r,s], h = p*stride_h - pad_h + r*dil_h,
          w = q*stride_w - pad_w + s*dil_w, inside x, + residual[n,c,p,q]; then the activation that g names
layout:   x (N,H,W,C), y, residual (N,P,Q,C), weight (C,R,S), row-major; bias (C)
threads:  a block owns 32 columns of VEC channels (fewer where C has not so many) x 32 output pixels or more, a thread
          one column of four pixels
shared:   9*(32*VEC + 4)*(4 if e < 8 else 8)
flops:    2*N*P*Q*K*R*S
bytes:    e*(N*H*W*C + N*P*Q*K + K*R*S)
requires: groups = C = K; N*P*Q below 2^31; VEC = 16/e with C a multiple of it and aligned arrays, or VEC = 1
numerics: one running sum in ACC, in the order r, s
optional: bias residual
*/
#include "depthwise.cuh"

extern "C" __global__ void __launch_bounds__(THREADS, 2) conv2d_depthwise_forward(
    const T* __restrict__ x, const T* __restrict__ weight, const T* __restrict__ bias, const T* __restrict__ residual,
    T* __restrict__ y, Conv2d g, int lanes)
{
    filter_channels(x, weight, bias, residual, y, g, lanes, g.H * g.W, g.P, g.Q, [&](int p, int q, int r, int s) {
        const int h = g.row(p, r), w = g.col(q, s);
        return g.inside(h, w) ? h * g.W + w : -1;
    });
}
