/*
conv3d gradient of weight and bias for layers of few filters, narrow: conv2d's, with one axis more in its places.

math:     gw[k,c,a,r,s] = sum over n,o,p,q of gy[n,k,o,p,q] * x[n,c,d,h,w], d = o*stride_d - pad_d + a*dil_d,
          h = p*stride_h - pad_h + r*dil_h, w = q*stride_w - pad_w + s*dil_w, inside x; gb[k] = sum over n,o,p,q of gy
layout:   gy (N,O,P,Q,K), x (N,D,H,W,C), gw (K,A,R,S,C/groups), row-major; gb (K); parts and tickets: see conv2d/split.cuh
threads:  a block owns BM filters x BN columns (a,r,s,c) of one group (blockIdx.z) and one part of the voxels (blockIdx.x =
          tile of columns, part), a thread TM x TN; the blocks of the first columns also add up the filters' rows of gy
shared:   4*2*8*(BM + BN) + 16*2*32
flops:    2*N*O*P*Q*K*(C//G)*A*R*S
bytes:    e*(N*D*H*W*C + N*O*P*Q*K + K*(C//G)*A*R*S)
requires: VEC = 16/e with C/groups and K/groups multiples of it and aligned arrays, or VEC = 1; A*R*S up to 32; N*O*P*Q below
          2^31
numerics: running sums in float over each part, parts added in a fixed order: the same bits at every run
optional: gb parts tickets
*/
#include "axes.cuh"
#include "../conv2d/narrow_grad_weight.cuh"

extern "C" __global__ void __launch_bounds__(THREADS, 512 / THREADS) conv3d_narrow_grad_weight(
    const T* __restrict__ gy, const T* __restrict__ x, T* __restrict__ gw, T* __restrict__ gb, ACC* parts, int* tickets,
    int J, int fan, Conv3d g)
{
    narrow_grad_weight(gy, x, gw, gb, parts, tickets, J, fan, axes_of(g));
}
