/*
conv2d gradient of weight and bias, tiled: rows are filters, columns (r,s,c), depth the pixels, split into J parts.

math:     gw[k,c,r,s] = sum over n,p,q of gy[n,k,p,q] * x[n,c,h,w], h = p*stride_h - pad_h + r*dil_h,
          w = q*stride_w - pad_w + s*dil_w, inside x; gb[k] = sum over n,p,q of gy[n,k,p,q]
layout:   gy (N,P,Q,K), x (N,H,W,C), gw (K,R,S,C/groups), row-major; gb (K); parts and tickets: see split.cuh
threads:  a block owns BM filters x BN columns of one group (blockIdx.z) and one part (blockIdx.x = tile of columns, part), a
          thread 8x8; the blocks of the first columns also add up the filters' rows of gy, which are in shared memory anyway
shared:   4*2*max(2*VEC, 8)*(BM + BN)
flops:    2*N*P*Q*K*(C//G)*R*S
bytes:    e*(N*H*W*C + N*P*Q*K + K*(C//G)*R*S)
requires: VEC = 16/e with C/groups and K/groups multiples of it and aligned arrays, or VEC = 1; N*P*Q and R*S*C below 2^31
numerics: running sums in float over each part, parts added in a fixed order: the same bits at every run
optional: gb parts tickets
*/
#include "tiled_grad_weight.cuh"

extern "C" __global__ void __launch_bounds__(THREADS, BLOCKS) conv2d_tiled_grad_weight(
    const T* __restrict__ gy, const T* __restrict__ x, T* __restrict__ gw, T* __restrict__ gb, ACC* parts, int* tickets,
    int J, int fan, Conv2d g)
{
    tiled_grad_weight(gy, x, gw, gb, parts, tickets, J, fan, axes_of(g));
}
