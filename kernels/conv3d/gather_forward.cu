/*
conv3d forward for first layers (C <= 4) and for channel counts that 16-byte accesses cannot take: implicit GEMM through
shared memory, its depth one axis (t,r,s,c).

math:     y[n,k,o,p,q] = bias[k] + sum over t,r,s,c of x[n, c, o*stride_d - pad_d + t*dil_d, p.., q..] * w[k,c,t,r,s]
          + residual[n,k,o,p,q]; then the activation that g names
layout:   x (N,D,H,W,C), y, residual (N,O,P,Q,K), weight (K,T,R,S,C/groups) with T named A here, row-major; bias (K)
threads:  a block owns BM voxels x BN filters of one group (blockIdx.z), a thread 8x8 of them; a thread fetches one voxel
shared:   4*2*8*(BM + BN)
flops:    2*N*O*P*Q*K*(C//G)*A*R*S
bytes:    e*(N*D*H*W*C + N*O*P*Q*K + K*(C//G)*A*R*S)
requires: float32, float16 or bfloat16; N*O*P*Q below 2^31
numerics: one running sum in float an output, in the order t, r, s, c
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
