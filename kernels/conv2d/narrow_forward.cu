/*
conv2d forward for layers of few filters, narrow: tiles of 256x16, 128x32, 64x16 and 64x32, the depth one axis (r,s,c).

math:     y[n,k,p,q] = bias[k] + sum over r,s,c of x[n,c,h,w] * weight[k,c,r,s], h = p*stride_h - pad_h + r*dil_h,
          w = q*stride_w - pad_w + s*dil_w, inside x, + residual[n,k,p,q]; then the activation that g names
layout:   x (N,H,W,C), y, residual (N,P,Q,K), weight (K,R,S,C/groups), row-major; bias (K); parts, tickets: split.cuh
threads:  a block owns BM pixels x BN filters of one group (blockIdx.z) and one part of the depth (blockIdx.x = tile of pixels,
          part), a thread TM x TN of them; a thread fetches BM / THREADS pixels
shared:   4*2*8*(BM + BN + 4) + 16*2*8//VEC
flops:    2*N*P*Q*K*(C//G)*R*S
bytes:    e*(N*H*W*C + N*P*Q*K + K*(C//G)*R*S)
requires: VEC = 16/e with C/groups a multiple of it and aligned arrays, or VEC = 1; R*S up to 32; N*P*Q below 2^31
numerics: one running sum in float an output and part, in the order r, s, c; parts added in a fixed order
optional: bias residual parts tickets
*/
#include "narrow.cuh"

extern "C" __global__ void __launch_bounds__(THREADS, 256 / THREADS) conv2d_narrow_forward(
    const T* __restrict__ x, const T* __restrict__ weight, const T* __restrict__ bias, const T* __restrict__ residual,
    T* __restrict__ y, ACC* parts, int* tickets, int J, int fan, Conv2d g)
{
    narrow_forward(x, weight, bias, residual, y, parts, tickets, J, fan, axes_of(g), g.activation);
}
