/*
conv2d forward, tiled: implicit GEMM through shared memory, fp32 multiply-add.

math:     y[n,k,p,q] = bias[k] + sum over r,s,c of x[n,c,h,w] * weight[k,c,r,s], h = p*stride_h - pad_h + r*dil_h,
          w = q*stride_w - pad_w + s*dil_w, inside x, + residual[n,k,p,q]; then the activation that g names
layout:   x (N,H,W,C), y, residual (N,P,Q,K), weight (K,R,S,C/groups), row-major; bias (K)
threads:  a block owns BM pixels x BN filters of one group (blockIdx.z), a thread 8x8 of them
shared:   4*2*2*V*(BM + BN)
flops:    2*N*P*Q*K*(C//G)*R*S
bytes:    e*(N*H*W*C + N*P*Q*K + K*(C//G)*R*S)
requires: C/groups and K/groups multiples of V = 16/e; aligned arrays; float32, float16 or bfloat16; N*P*Q below 2^31
numerics: one running sum in float an output, in the order r, s, c
optional: bias residual
*/
#include "tiled_forward.cuh"

extern "C" __global__ void __launch_bounds__(THREADS, BLOCKS) conv2d_tiled_forward(
    const T* __restrict__ x, const T* __restrict__ weight, const T* __restrict__ bias, const T* __restrict__ residual,
    T* __restrict__ y, Conv2d g)
{
    tiled_forward(x, weight, bias, residual, y, axes_of(g), g.activation);
}
