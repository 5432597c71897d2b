/*
conv3d gradient of weight and bias on tensor cores (mma.sync): rows are filters, columns (a,r,s,c), depth the voxels, split
into J parts.

math:     gw[k,c,a,r,s] = sum over n,o,p,q of gy[n,k,o,p,q] * x[n,c,d,h,w], d = o*stride_d - pad_d + a*dil_d,
          h = p*stride_h - pad_h + r*dil_h, w = q*stride_w - pad_w + s*dil_w, inside x; gb[k] = sum over n,o,p,q of gy
layout:   gy (N,O,P,Q,K), x (N,D,H,W,C), gw (K,A,R,S,C/groups), row-major; gb (K); parts and tickets: see tensor/join.cuh
threads:  a block owns BM filters x BN columns of one group (blockIdx.z) and one part (blockIdx.x = tile of columns, part), a
          warp WM x WN; STAGES stages of BK voxels are copied ahead, to shared memory that the launch gives
shared:   16*BK
flops:    2*N*O*P*Q*K*(C//G)*A*R*S
bytes:    e*(N*D*H*W*C + N*O*P*Q*K + K*(C//G)*A*R*S)
requires: as conv2d/tensor_grad_weight, with O and A; A + R + S < 32
numerics: PRECISION says what is multiplied; running sums in float over each part, parts added in a fixed order: the same bits
          at every run; gb of floats as they are
optional: gb parts tickets
arch:     80
*/
#include "geometry.cuh"
#include "../tensor/grad_weight.cuh"

extern "C" __global__ void __launch_bounds__(THREADS, HELD) conv3d_tensor_grad_weight(
    const T* __restrict__ gy, const T* __restrict__ x, T* __restrict__ gw, T* __restrict__ gb, ACC* parts, int* tickets,
    int J, int fan, Conv3d g)
{
    const Axis axes[] = {
        {g.D, g.A, g.O, g.stride_d, g.pad_d, g.dil_d},
        {g.H, g.R, g.P, g.stride_h, g.pad_h, g.dil_h},
        {g.W, g.S, g.Q, g.stride_w, g.pad_w, g.dil_w}};
    grad_weight({gy, x, gw, gb, g.N, g.C, g.K, g.groups}, axes, parts, tickets, J, fan);
}
