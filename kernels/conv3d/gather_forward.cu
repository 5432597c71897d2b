/*
conv3d forward for first layers (C <= 4) and for channel counts that 16-byte accesses cannot take: implicit GEMM through
shared memory, its depth one axis (a,r,s,c).

math:     y[n,k,o,p,q] = bias[k] + sum over a,r,s,c of x[n,c,d,h,w] * weight[k,c,a,r,s], d = o*stride_d - pad_d + a*dil_d,
          h = p*stride_h - pad_h + r*dil_h, w = q*stride_w - pad_w + s*dil_w, inside x,
          + residual[n,k,o,p,q]; then the activation that g names
layout:   x (N,D,H,W,C), y, residual (N,O,P,Q,K), weight (K,A,R,S,C/groups), row-major; bias (K)
threads:  a block owns BM voxels x BN filters of one group (blockIdx.z), a thread 8x8 of them; a thread fetches one voxel
shared:   4*2*8*(BM + BN)
flops:    2*N*O*P*Q*K*(C//G)*A*R*S
bytes:    e*(N*D*H*W*C + N*O*P*Q*K + K*(C//G)*A*R*S)
requires: float32, float16 or bfloat16; N*O*P*Q below 2^31
numerics: one running sum in float an output, in the order a, r, s, c
optional: bias residual
*/
#include "axes.cuh"
#include "../conv2d/gather.cuh"

// Two blocks fewer on a multiprocessor than conv2d has: an axis more would spill in 168 registers (bfloat16, sm_120).

extern "C" __global__ void __launch_bounds__(THREADS, 256 / THREADS) conv3d_gather_forward(
    const T* __restrict__ x, const T* __restrict__ weight, const T* __restrict__ bias, const T* __restrict__ residual,
    T* __restrict__ y, Conv3d g)
{
    gather_forward(x, weight, bias, residual, y, axes_of(g), g.activation);
}
