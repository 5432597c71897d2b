/*
conv3d forward, tiled: conv2d's implicit GEMM with one axis more.

math:     y[n,k,o,p,q] = bias[k] + sum over t,r,s,c of x[n, c, o*stride_d - pad_d + t*dil_d, p.., q..] * w[k,c,t,r,s]
          + residual[n,k,o,p,q]; then the activation that g names
layout:   x (N,D,H,W,C), y, residual (N,O,P,Q,K), weight (K,T,R,S,C/groups) with T named A here, row-major; bias (K)
threads:  a block owns BM voxels x BN filters of one group (blockIdx.z), a thread 8x8 of them
shared:   4*2*2*V*(BM + BN)
flops:    2*N*O*P*Q*K*(C//G)*A*R*S
bytes:    e*(N*D*H*W*C + N*O*P*Q*K + K*(C//G)*A*R*S)
requires: C/groups and K/groups multiples of V = 16/e; aligned arrays; float32, float16 or bfloat16; N*O*P*Q below 2^31
numerics: one running sum in float an output, in the order t, r, s, c
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
