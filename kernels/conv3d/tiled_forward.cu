/*
conv3d forward, tiled: conv2d's implicit GEMM with one axis more.

math:     y[n,k,o,p,q] = bias[k] + sum over a,r,s,c of x[n,c,d,h,w] * weight[k,c,a,r,s], d = o*stride_d - pad_d + a*dil_d,
          h = p*stride_h - pad_h + r*dil_h, w = q*stride_w - pad_w + s*dil_w, inside x,
          + residual[n,k,o,p,q]; then the activation that g names
layout:   x (N,D,H,W,C), y, residual (N,O,P,Q,K), weight (K,A,R,S,C/groups), row-major; bias (K)
threads:  a block owns BM voxels x BN filters of one group (blockIdx.z), a thread 8x8 of them
shared:   4*2*2*V*(BM + BN)
flops:    2*N*O*P*Q*K*(C//G)*A*R*S
bytes:    e*(N*D*H*W*C + N*O*P*Q*K + K*(C//G)*A*R*S)
requires: C/groups and K/groups multiples of V = 16/e; aligned arrays; float32, float16 or bfloat16; N*O*P*Q below 2^31
numerics: one running sum in float an output, in the order a, r, s, c
optional: bias residual
*/
#include "axes.cuh"
#include "../conv2d/tiled_forward.cuh"

extern "C" __global__ void __launch_bounds__(THREADS, BLOCKS) conv3d_tiled_forward(
    const T* __restrict__ x, const T* __restrict__ weight, const T* __restrict__ bias, const T* __restrict__ residual,
    T* __restrict__ y, Conv3d g)
{
    tiled_forward(x, weight, bias, residual, y, axes_of(g), g.activation);
}
