/*
conv3d gradient of the input for layers of few channels, narrow: the narrow forward's multiplication on gy, whose taps lie
the other way. Stride 1.

math:     gx[n,c,d,h,w] = sum over a,r,s,k of gy[n,k,o,p,q] * weight[k,c,a,r,s] where o*stride_d - pad_d + a*dil_d = d,
          p*stride_h - pad_h + r*dil_h = h, q*stride_w - pad_w + s*dil_w = w
layout:   gy (N,O,P,Q,K), gx (N,D,H,W,C), weight (K,A,R,S,C/groups), row-major
threads:  a block owns BM voxels x BN channels of one group (blockIdx.z) and one part of the depth (blockIdx.x = tile of
          voxels, part), a thread TM x TN of them; a thread fetches BM / THREADS voxels
shared:   4*2*8*(BM + BN + 4) + 16*2*8//VEC
flops:    2*N*O*P*Q*K*(C//G)*A*R*S
bytes:    e*(N*D*H*W*C + N*O*P*Q*K + K*(C//G)*A*R*S)
requires: VEC = 16/e with K/groups a multiple of it and aligned arrays, or VEC = 1; A*R*S up to 32; N*D*H*W below 2^31
numerics: one running sum in float an output and part, in the order a, r, s, k; parts added in a fixed order
optional: parts tickets
*/
#include "axes.cuh"
#include "../conv2d/narrow.cuh"

extern "C" __global__ void __launch_bounds__(THREADS, 256 / THREADS) conv3d_narrow_grad_input(
    const T* __restrict__ gy, const T* __restrict__ weight, T* __restrict__ gx, ACC* parts, int* tickets, int J, int fan,
    Conv3d g)
{
    narrow_grad_input(gy, weight, gx, parts, tickets, J, fan, axes_of(g));
}
