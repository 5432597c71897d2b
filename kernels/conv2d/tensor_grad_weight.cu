/*
conv2d gradient of weight and bias on tensor cores (mma.sync): rows are filters, columns (r,s,c), depth the pixels, split
into J parts.

math:     gw[k,c,r,s] = sum over n,p,q of gy[n,k,p,q] * x[n,c,h,w], h = p*stride_h - pad_h + r*dil_h,
          w = q*stride_w - pad_w + s*dil_w, inside x; gb[k] = sum over n,p,q of gy[n,k,p,q]
layout:   gy (N,P,Q,K), x (N,H,W,C), gw (K,R,S,C/groups), row-major; gb (K); parts and tickets: see tensor/join.cuh
threads:  a block owns BM filters x BN columns of one group (blockIdx.z) and one part (blockIdx.x = tile of columns, part), a
          warp WM x WN; STAGES stages of BK pixels are copied ahead, to shared memory that the launch gives
shared:   16*BK
flops:    2*N*P*Q*K*(C//G)*R*S
bytes:    e*(N*H*W*C + N*P*Q*K + K*(C//G)*R*S)
requires: C/groups and K/groups multiples of V, aligned arrays; N*P*Q and R*S*C below 2^31, x below 2^35 bytes; R + S < 32
numerics: PRECISION says what is multiplied; running sums in float over each part, parts added in a fixed order: the same bits
          at every run; gb of floats as they are
optional: gb parts tickets
arch:     80
*/
#include "geometry.cuh"
#include "../tensor/grad_weight.cuh"

extern "C" __global__ void __launch_bounds__(THREADS, HELD) conv2d_tensor_grad_weight(
    const T* __restrict__ gy, const T* __restrict__ x, T* __restrict__ gw, T* __restrict__ gb, ACC* parts, int* tickets,
    int J, int fan, Conv2d g)
{
    const Axis axes[] = {{g.H, g.R, g.P, g.stride_h, g.pad_h, g.dil_h}, {g.W, g.S, g.Q, g.stride_w, g.pad_w, g.dil_w}};
    grad_weight({gy, x, gw, gb, g.N, g.C, g.K, g.groups}, axes, parts, tickets, J, fan);
}
