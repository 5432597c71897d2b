/*
conv3d gradient of the input for channel counts that 16-byte accesses cannot take: the gathering forward's multiplication
on gy. At stride > 1 it fetches zeros for taps that meet no output.

math:     gx[n,c,d,h,w] = sum over a,r,s,k of gy[n,k,o,p,q] * weight[k,c,a,r,s] where o*stride_d - pad_d + a*dil_d = d,
          p*stride_h - pad_h + r*dil_h = h, q*stride_w - pad_w + s*dil_w = w
layout:   gy (N,O,P,Q,K), gx (N,D,H,W,C), weight (K,A,R,S,C/groups), row-major
threads:  a block owns BM voxels x BN channels of one group (blockIdx.z), a thread 8x8 of them; a thread fetches one voxel
shared:   4*2*8*(BM + BN)
flops:    2*N*O*P*Q*K*(C//G)*A*R*S
bytes:    e*(N*D*H*W*C + N*O*P*Q*K + K*(C//G)*A*R*S)
requires: float32, float16 or bfloat16; N*D*H*W below 2^31
numerics: one running sum in float an output, in the order a, r, s, k
*/
#include "axes.cuh"
#include "../conv2d/gather.cuh"

extern "C" __global__ void __launch_bounds__(THREADS, BLOCKS) conv3d_gather_grad_input(
    const T* __restrict__ gy, const T* __restrict__ weight, T* __restrict__ gx, Conv3d g)
{
    gather_grad_input(gy, weight, gx, axes_of(g));
}
