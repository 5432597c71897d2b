/*
conv3d forward for layers of few filters, narrow: conv2d's tiles, the depth one axis (a,r,s,c).

math:     y[n,k,o,p,q] = bias[k] + sum over a,r,s,c of x[n,c,d,h,w] * weight[k,c,a,r,s], d = o*stride_d - pad_d + a*dil_d,
          h = p*stride_h - pad_h + r*dil_h, w = q*stride_w - pad_w + s*dil_w, inside x,
          + residual[n,k,o,p,q]; then the activation that g names
layout:   x (N,D,H,W,C), y, residual (N,O,P,Q,K), weight (K,A,R,S,C/groups), row-major; bias (K)
threads:  a block owns BM voxels x BN filters of one group (blockIdx.z) and one part of the depth (blockIdx.x = tile of
          voxels, part), a thread TM x TN of them; a thread fetches BM / THREADS voxels
shared:   4*2*8*(BM + BN + 4) + 16*2*8//VEC
flops:    2*N*O*P*Q*K*(C//G)*A*R*S
bytes:    e*(N*D*H*W*C + N*O*P*Q*K + K*(C//G)*A*R*S)
requires: VEC = 16/e with C/groups a multiple of it and aligned arrays, or VEC = 1; A*R*S up to 32; N*O*P*Q below 2^31
numerics: one running sum in float an output and part, in the order a, r, s, c; parts added in a fixed order
optional: bias residual parts tickets
*/
#include "axes.cuh"
#include "../conv2d/narrow.cuh"

extern "C" __global__ void __launch_bounds__(THREADS, 256 / THREADS) conv3d_narrow_forward(
    const T* __restrict__ x, const T* __restrict__ weight, const T* __restrict__ bias, const T* __restrict__ residual,
    T* __restrict__ y, ACC* parts, int* tickets, int J, int fan, Conv3d g)
{
    narrow_forward(x, weight, bias, residual, y, parts, tickets, J, fan, axes_of(g), g.activation);
}
