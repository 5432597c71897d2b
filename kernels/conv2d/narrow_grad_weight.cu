/*
conv2d gradient of weight and bias for layers of few filters, narrow: the tiled one's product in tiles of 16x64, 32x32 and
32x64, the pixels' places looked up by few threads: 32 of them at a time, with the taps that meet x as bits.

math:     gw[k,c,r,s] = sum over n,p,q of gy[n,k,p,q] * x[n,c,h,w], h = p*stride_h - pad_h + r*dil_h,
          w = q*stride_w - pad_w + s*dil_w, inside x; gb[k] = sum over n,p,q of gy[n,k,p,q]
layout:   gy (N,P,Q,K), x (N,H,W,C), gw (K,R,S,C/groups), row-major; gb (K); parts and tickets: see split.cuh
threads:  a block owns BM filters x BN columns (r,s,c) of one group (blockIdx.z) and one part of the pixels (blockIdx.x = tile
          of columns, part), a thread TM x TN; the blocks of the first columns also add up the filters' rows of gy
shared:   4*2*8*(BM + BN) + 16*2*32
flops:    2*N*P*Q*K*(C//G)*R*S
bytes:    e*(N*H*W*C + N*P*Q*K + K*(C//G)*R*S)
requires: VEC = 16/e with C/groups and K/groups multiples of it and aligned arrays, or VEC = 1; R*S up to 32; N*P*Q below 2^31
numerics: running sums in float over each part, parts added in a fixed order: the same bits at every run
optional: gb parts tickets
*/
#include "narrow_grad_weight.cuh"

extern "C" __global__ void __launch_bounds__(THREADS, 512 / THREADS) conv2d_narrow_grad_weight(
    const T* __restrict__ gy, const T* __restrict__ x, T* __restrict__ gw, T* __restrict__ gb, ACC* parts, int* tickets,
    int J, int fan, Conv2d g)
{
    narrow_grad_weight(gy, x, gw, gb, parts, tickets, J, fan, axes_of(g));
}
