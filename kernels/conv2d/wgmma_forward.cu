/*
conv2d forward on Hopper's tensor cores: implicit GEMM by wgmma, operands in shared memory, swizzled by 128 bytes. With
MOMENTS 1 also the statistics of y's channels that batch normalisation asks for.

math:     y[n,k,p,q] = bias[k] + sum over r,s,c of x[n,c,h,w] * weight[k,c,r,s], h = p*stride_h - pad_h + r*dil_h,
          w = q*stride_w - pad_w + s*dil_w, inside x, + residual[n,k,p,q]; then the activation that g names; mean, rstd
          and the running statistics as batch_norm/statistics.cu has them
layout:   x (N,H,W,C), y, residual (N,P,Q,K), weight (K,R,S,C/groups), row-major; bias (K); ready as wgmma_weight leaves it;
          with MOMENTS parts (2, ceil(N*P*Q / BM), K); the others (K)
threads:  a block owns BM pixels x BN filters of one group (blockIdx.y) in one of J parts of the depth (blockIdx.x % J), a
          warpgroup 64 x BN of them; the last block of a tile adds the parts (J, tiles, BM*BN), tickets as split.cuh's
shared:   12*BM + 256 + e//4*128
flops:    2*N*P*Q*K*(C//G)*R*S
bytes:    e*(N*H*W*C + N*P*Q*K + K*(C//G)*R*S)
requires: C/groups and K/groups multiples of V = 16/e; aligned arrays of up to 2^31 packs of 16 bytes; up to 32 taps;
          PRECISION fits T; dynamic shared memory for STAGES stages, or the sums, and 1024 bytes more; with MOMENTS
          J = 1, tickets 0
numerics: products in PRECISION, running sums in float (of three TF32: of 32 products in the tensor cores, then float's), in
          the order r, s, c, parts added in a fixed order; sums that are not finite anew, in float; moments of what
          is stored, merged by Chan's formula in a fixed order
optional: ready bias residual parts tickets mean rstd running_mean running_var batches
arch:     90a
*/
#define ACROSS 0
#include "wgmma_store.cuh"
#include "../tensor/join_sums.cuh"
#if MOMENTS
#include "../tensor/moments.cuh"
#endif

extern "C" __global__ void __launch_bounds__(THREADS) conv2d_wgmma_forward(
    const T* __restrict__ x, const T* __restrict__ weight, const ACC* __restrict__ ready, const T* __restrict__ bias,
    const T* __restrict__ residual, T* __restrict__ y, ACC* parts, int* tickets, int J, int fan, Conv2d g, ACC* mean,
    ACC* rstd, ACC* running_mean, ACC* running_var, i64* batches, ACC eps, double momentum, double ratio)
{
    // seek to the block's tile: neighbours share its pixels
    extern __shared__ __align__(128) char memory[];
    __shared__ Table table;
    const int group = blockIdx.y, Cg = g.Cg(), Kg = g.Kg(), taps = g.R * g.S, across = ceil_div(Kg, BN);
    const int tile = blockIdx.x / J;
    const int first_row = tile / across * BM, first_column = tile % across * BN;
    fill_forward(table, g, first_row);

    // combine
    char* area = aligned_area(memory);
    const i64 before = (i64)group * Kg * taps * Cg;
    const T* staged = PRECISION == TF32 || PRECISION == TF32X3 ? reinterpret_cast<const T*>(ready) : weight;
    const int apart = taps * (Cg / EACH);
    const Operands operands = {
        x + group * Cg, weight + before, staged + before, taps, Cg / EACH, Kg, apart, taps, g.K * apart,
        (int)blockIdx.x % J, J};
    float sums[BN / 2] = {};
    multiply_taps(operands, table, first_column, area, sums);
    const int tiles = gridDim.x / J;  // of a group
    const Split split = {parts, tickets, J, fan, tiles * (int)gridDim.y, tiles * (int)blockIdx.y + tile, operands.part};
    if (!join_sums(split, sums)) return;

    // write
    const T *level = bias ? bias + group * Kg : nullptr, *beside = residual ? residual + group * Kg : nullptr;
    store_tile(sums, operands, table, area, first_column, y + group * Kg, level, beside, g.activation);
#if MOMENTS
    T* out = y + group * Kg;
    const auto start = [&](int row) { return table.to[row] < 0 ? nullptr : out + (i64)table.to[row] * EACH; };
    const int M = g.N * g.P * g.Q, strip = group * across + first_column / BN, c = group * Kg + first_column;
    move_statistics(
        start, first_column, area, y,
        {parts, tickets + 1, fan, ceil_div(M, BM), g.K, M, first_row / BM, strip, c, Kg - first_column},
        {mean, rstd, running_mean, running_var, batches, tickets, across * g.groups, eps, momentum, ratio});
#endif
}
