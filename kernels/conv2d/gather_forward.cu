/*
conv2d forward for first layers (C <= 4) and for channel counts that 16-byte accesses cannot take: implicit GEMM through
shared memory, its depth one axis (r,s,c).

math:     y[n,k,p,q] = bias[k] + sum over r,s,c of x[n,c,h,w] * weight[k,c,r,s], h = p*stride_h - pad_h + r*dil_h,
          w = q*stride_w - pad_w + s*dil_w, inside x, + residual[n,k,p,q]; then the activation that g names
layout:   x (N,H,W,C), y, residual (N,P,Q,K), weight (K,R,S,C/groups), row-major; bias (K)
threads:  a block owns BM pixels x BN filters of one group (blockIdx.z), a thread 8x8 of them; a thread fetches one pixel
shared:   4*2*8*(BM + BN)
flops:    2*N*P*Q*K*(C//G)*R*S
bytes:    e*(N*H*W*C + N*P*Q*K + K*(C//G)*R*S)
requires: float32, float16 or bfloat16; N*P*Q below 2^31
numerics: one running sum in float an output, in the order r, s, c
optional: bias residual
*/
#include "gather.cuh"

extern "C" __global__ void __launch_bounds__(THREADS, BLOCKS) conv2d_gather_forward(
    const T* __restrict__ x, const T* __restrict__ weight, const T* __restrict__ bias, const T* __restrict__ residual,
    T* __restrict__ y, Conv2d g)
{
    // seek to the block's tile, and to the pixel that this thread fetches
    __shared__ Buffers<BK> shared;
    const int Cg = g.Cg(), Kg = g.Kg(), first_filter = blockIdx.z * Kg, M = g.N * g.P * g.Q;
    const int first_row = blockIdx.x * BM, first_column = blockIdx.y * BN, m = first_row + threadIdx.x % BM;
    const i64 image = m < M ? (i64)(m / (g.P * g.Q)) * g.H * g.W * g.C : -1;
    const int top = g.row(m / g.Q % g.P, 0), left = g.col(m % g.Q, 0);
    const auto place = [&](int r, int s, int& h, int& w) { h = top + r * g.dil_h, w = left + s * g.dil_w; };

    // combine
    const T* filters = weight + (i64)first_filter * g.R * g.S * Cg;
    const Operands operands = {x + blockIdx.z * Cg, filters, g.H, g.W, g.C, Cg, Kg, g.R * g.S, g.S, Cg};
    const Corner at;
    ACC sums[8][8] = {};
    gemm<true>(operands, place, image, first_column, shared, at, sums);

    // write
    if (bias) add_bias(bias + first_filter, first_column, Kg, at, sums);
    if (residual) add_rows(residual + first_filter, g.K, at, first_row, M, first_column, Kg, Kg % 4 == 0, sums);
    activate(sums, g.activation);
    T* out = y + first_filter;
    store_tile(sums, at, first_row, M, first_column, Kg, Kg % 4 == 0, [&](int row) { return out + (i64)row * g.K; });
}
