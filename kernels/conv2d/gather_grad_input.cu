/*
conv2d gradient of the input for channel counts that 16-byte accesses cannot take: the gathering forward's
multiplication on gy. At stride > 1 it fetches zeros for taps that meet no output.

math:     gx[n,c,h,w] = sum over r,s,k of gy[n,k,p,q] * weight[k,c,r,s] where p*stride_h - pad_h + r*dil_h = h,
          q*stride_w - pad_w + s*dil_w = w
layout:   gy (N,P,Q,K), gx (N,H,W,C), weight (K,R,S,C/groups), row-major
threads:  a block owns BM pixels x BN channels of one group (blockIdx.z), a thread 8x8 of them; a thread fetches one pixel
shared:   4*2*8*(BM + BN)
flops:    2*N*P*Q*K*(C//G)*R*S
bytes:    e*(N*H*W*C + N*P*Q*K + K*(C//G)*R*S)
requires: float32, float16 or bfloat16; N*H*W below 2^31
numerics: one running sum in float an output, in the order r, s, k
*/
#include "gather.cuh"

extern "C" __global__ void __launch_bounds__(THREADS, BLOCKS) conv2d_gather_grad_input(
    const T* __restrict__ gy, const T* __restrict__ weight, T* __restrict__ gx, Conv2d g)
{
    gather_grad_input(gy, weight, gx, axes_of(g));
}
