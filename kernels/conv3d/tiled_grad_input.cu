/*
conv3d gradient of the input, tiled: conv2d's, with one axis more in its places and in the classes of a stride.

math:     gx[n,c,d,h,w] = sum over a,r,s,k of gy[n,k,o,p,q] * weight[k,c,a,r,s] where o*stride_d - pad_d + a*dil_d = d,
          p*stride_h - pad_h + r*dil_h = h, q*stride_w - pad_w + s*dil_w = w
layout:   gy (N,O,P,Q,K), gx (N,D,H,W,C), weight (K,A,R,S,C/groups), row-major
threads:  a block owns BM voxels of one class x BN channels of one group (blockIdx.z = group and class), a thread 8x8
shared:   4*2*2*V*(BM + BN)
flops:    2*N*O*P*Q*K*(C//G)*A*R*S
bytes:    e*(N*D*H*W*C + N*O*P*Q*K + K*(C//G)*A*R*S)
requires: C/groups and K/groups multiples of V = 16/e; aligned arrays; float32, float16 or bfloat16; N*D*H*W below 2^31
numerics: one running sum in float an output, in the order a, r, s, k
*/
#include "axes.cuh"
#include "../conv2d/tiled_grad_input.cuh"

// Two blocks of 64 threads fewer on a multiprocessor than conv2d has: an axis more would spill in 168 registers.

extern "C" __global__ void __launch_bounds__(THREADS, 256 / THREADS) conv3d_tiled_grad_input(
    const T* __restrict__ gy, const T* __restrict__ weight, T* __restrict__ gx, Conv3d g)
{
    tiled_grad_input(gy, weight, gx, axes_of(g));
}
