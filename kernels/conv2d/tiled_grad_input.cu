/*
conv2d gradient of the input, tiled: the forward's multiplication on gy. At stride > 1 the input pixels are split into
stride_h * stride_w classes by their place modulo the stride: within a class the same taps meet every pixel, so that no
multiplication is wasted on taps that meet none.

math:     gx[n,c,h,w] = sum over r,s,k of gy[n,k,p,q] * weight[k,c,r,s] where p*stride_h - pad_h + r*dil_h = h,
          q*stride_w - pad_w + s*dil_w = w
layout:   gy (N,P,Q,K), gx (N,H,W,C), weight (K,R,S,C/groups), row-major
threads:  a block owns BM pixels of one class x BN channels of one group (blockIdx.z = group and class), a thread 8x8
shared:   4*2*2*V*(BM + BN)
flops:    2*N*P*Q*K*(C//G)*R*S
bytes:    e*(N*H*W*C + N*P*Q*K + K*(C//G)*R*S)
requires: C/groups and K/groups multiples of V = 16/e; aligned arrays; float32, float16 or bfloat16; N*H*W below 2^31
numerics: one running sum in float an output, in the order r, s, k
*/
#include "tiled_grad_input.cuh"

extern "C" __global__ void __launch_bounds__(THREADS, BLOCKS) conv2d_tiled_grad_input(
    const T* __restrict__ gy, const T* __restrict__ weight, T* __restrict__ gx, Conv2d g)
{
    tiled_grad_input(gy, weight, gx, axes_of(g));
}
