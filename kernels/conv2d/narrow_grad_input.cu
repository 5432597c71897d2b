/*
conv2d gradient of the input for layers of few channels, narrow: the narrow forward's multiplication on gy, whose taps lie
the other way. Stride 1.

math:     gx[n,c,h,w] = sum over r,s,k of gy[n,k,p,q] * weight[k,c,r,s] where p - pad_h + r*dil_h = h, q - pad_w + s*dil_w = w
layout:   gy (N,P,Q,K), gx (N,H,W,C), weight (K,R,S,C/groups), row-major; parts and tickets: see split.cuh
threads:  a block owns BM pixels x BN channels of one group (blockIdx.z) and one part of the depth (blockIdx.x = tile of
          pixels, part), a thread TM x TN of them; a thread fetches BM / THREADS pixels
shared:   4*2*8*(BM + BN + 4) + 16*2*8//VEC
flops:    2*N*P*Q*K*(C//G)*R*S
bytes:    e*(N*H*W*C + N*P*Q*K + K*(C//G)*R*S)
requires: VEC = 16/e with K/groups a multiple of it and aligned arrays, or VEC = 1; R*S up to 32; N*H*W below 2^31
numerics: one running sum in float an output and part, in the order r, s, k; parts added in a fixed order
optional: parts tickets
*/
#include "narrow.cuh"

extern "C" __global__ void __launch_bounds__(THREADS, 256 / THREADS) conv2d_narrow_grad_input(
    const T* __restrict__ gy, const T* __restrict__ weight, T* __restrict__ gx, ACC* parts, int* tickets, int J, int fan,
    Conv2d g)
{
    narrow_grad_input(gy, weight, gx, parts, tickets, J, fan, axes_of(g));
}
