/*
conv2d forward on tensor cores: implicit GEMM by mma.sync, operands through stages of cp.async. With MOMENTS 1 also the
statistics of y's channels that batch normalisation asks for.

math:     y[n,k,p,q] = bias[k] + sum over r,s,c of x[n,c,h,w] * weight[k,c,r,s], h = p*stride_h - pad_h + r*dil_h,
          w = q*stride_w - pad_w + s*dil_w, inside x, + residual[n,k,p,q]; then the activation that g names; mean, rstd
          and the running statistics as batch_norm/statistics.cu has them
layout:   x (N,H,W,C), y, residual (N,P,Q,K), weight (K,R,S,C/groups), row-major; parts (2,J,K), J = ceil(N*P*Q / BM); the
          others (K)
threads:  a block owns BM pixels x BN filters of one group (blockIdx.y), a warp WM x WN of them
shared:   12*BM + 256
flops:    2*N*P*Q*K*(C//G)*R*S
bytes:    e*(N*H*W*C + N*P*Q*K + K*(C//G)*R*S)
requires: C/groups and K/groups multiples of V = 16/e; aligned arrays of up to 2^31 packs of 16 bytes; up to 32 taps;
          PRECISION fits T; dynamic shared memory for STAGES stages and for the sums; with MOMENTS tickets 0
numerics: products in PRECISION, running sums in float, in the order r, s, c; of TF32X3 sums that are not finite anew;
          moments of what is stored, merged by Chan's formula in a fixed order
optional: bias residual parts mean rstd running_mean running_var batches tickets
arch:     80
*/
#define ACROSS 0
#include "../tensor/implicit.cuh"
#if MOMENTS
#include "../tensor/moments.cuh"
#endif
#include "taps.cuh"

extern "C" __global__ void __launch_bounds__(BOUNDS) conv2d_tensor_forward(
    const T* __restrict__ x, const T* __restrict__ weight, const T* __restrict__ bias, const T* __restrict__ residual,
    T* __restrict__ y, Conv2d g, ACC* parts, ACC* mean, ACC* rstd, ACC* running_mean, ACC* running_var, i64* batches,
    int* tickets, int fan, ACC eps, double momentum, double ratio)
{
    // seek to the block's tile: neighbours share its pixels
    extern __shared__ __align__(128) char area[];
    __shared__ Table table;
    const int group = blockIdx.y, Cg = g.Cg(), Kg = g.Kg(), taps = g.R * g.S, across = ceil_div(Kg, BN);
    const int first_row = blockIdx.x / across * BM, first_column = blockIdx.x % across * BN;
    fill_forward(table, g, first_row);

    // combine
    const T* filters = weight + (i64)group * Kg * taps * Cg;
    const Operands operands = {x + group * Cg, filters, taps, Cg / EACH, Kg, taps * (Cg / EACH)};
    float sums[MI][NI][4] = {};
    multiply_taps(operands, table, first_column, area, sums);

    // write
    T* out = y + group * Kg;
    const auto start = [&](int row) { return table.to[row] < 0 ? nullptr : out + (i64)table.to[row] * EACH; };
    store_tile(
        sums, area, first_column, Kg, bias ? bias + group * Kg : nullptr, g.activation, start,
        [&](int row, int column) { return plain_sum(operands, table, row, column); },
        residual ? residual + group * Kg : nullptr, out);
#if MOMENTS
    const int M = g.N * g.P * g.Q, strip = group * across + first_column / BN, c = group * Kg + first_column;
    move_statistics(
        start, first_column, area, y,
        {parts, tickets + 1, fan, ceil_div(M, BM), g.K, M, first_row / BM, strip, c, Kg - first_column},
        {mean, rstd, running_mean, running_var, batches, tickets, across * g.groups, eps, momentum, ratio});
#endif
}
