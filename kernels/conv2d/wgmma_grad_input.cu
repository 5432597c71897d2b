/*
conv2d gradient of the input on Hopper's tensor cores: the forward's multiplication on gy by wgmma, the weights as they lie
in memory, their depth across. At stride > 1 the input pixels are split into stride_h * stride_w classes by their place modulo
the stride: within a class the same taps meet every pixel, so that no multiplication is wasted on taps that meet none. With
SLOPES 1, where x is batch norm's result, of z, also the gradients of that norm's parameters, which its backward pass begins
with.

math:     gx[n,c,h,w] = sum over r,s,k of gy[n,k,p,q] * weight[k,c,r,s] where p*stride_h - pad_h + r*dil_h = h,
          q*stride_w - pad_w + s*dil_w = w; gbeta[c] = sum of gx where x > 0, ggamma[c] = sum of gx * (z - mean[c]) there,
          times rstd[c]
layout:   gy (N,P,Q,K), gx, z, x (N,H,W,C), weight (K,R,S,C/groups), row-major; ready as wgmma_weight leaves it; with SLOPES
          parts (2, ceil(N*H*W / BM), C); the others (C)
threads:  a block owns BM pixels of one class x BN channels of one group (blockIdx.y = group and class) in one of J parts of the
          depth (blockIdx.x % J), a warpgroup 64 x BN; the last block of a tile adds the parts (J, tiles, BM*BN), tickets as
          split.cuh's
shared:   12*BM + 256 + e//4*128
flops:    2*N*P*Q*K*(C//G)*R*S
bytes:    e*(N*H*W*C + N*P*Q*K + K*(C//G)*R*S)
requires: C/groups and K/groups multiples of V = 16/e; aligned arrays of up to 2^31 packs of 16 bytes; up to 32 taps;
          PRECISION fits T; dynamic shared memory for STAGES stages, or the sums, and 1024 bytes more; with SLOPES
          stride 1, J = 1, tickets 0
numerics: products in PRECISION, running sums in float (of three TF32: of 32 products in the tensor cores, then float's), in
          the order r, s, k, parts added in a fixed order; sums that are not finite anew, in float; sums of what is
          stored in float, joined in a fixed order
optional: ready parts tickets z x mean rstd ggamma gbeta
arch:     90a
*/
#define ACROSS 1
#include "wgmma_store.cuh"
#include "../tensor/join_sums.cuh"
#if SLOPES
#include "../tensor/slopes.cuh"
#endif

extern "C" __global__ void __launch_bounds__(THREADS) conv2d_wgmma_grad_input(
    const T* __restrict__ gy, const T* __restrict__ weight, const ACC* __restrict__ ready, T* __restrict__ gx,
    ACC* parts, int* tickets, int J, int fan, Conv2d g, const T* __restrict__ z, const T* __restrict__ x,
    const ACC* __restrict__ mean, const ACC* __restrict__ rstd, ACC* ggamma, ACC* gbeta)
{
    // seek to the block's class and tile: neighbours share its pixels
    extern __shared__ __align__(128) char memory[];
    __shared__ Table table;
    const Class own(g, blockIdx.y / g.groups);
    const int group = blockIdx.y % g.groups, Cg = g.Cg(), Kg = g.Kg(), across = ceil_div(Cg, BN), tile = blockIdx.x / J;
    const int first_row = tile / across * BM, first_column = tile % across * BN;
    if (first_row >= own.M) return;  // the whole block, so no barrier is missed
    const int taps = fill_backward(table, g, own, first_row, (TURNED ? Cg : Kg) / EACH);

    // combine
    char* area = aligned_area(memory);
    const i64 before = (i64)group * Kg * g.R * g.S * Cg;
    const T* staged = TURNED ? weight : reinterpret_cast<const T*>(ready);
    const int apart = g.R * g.S * ((TURNED ? Cg : Kg) / EACH);
    const Operands operands = {
        gy + group * Kg, weight + before, staged + before, taps, Kg / EACH, Cg, apart, g.R * g.S, g.C * apart,
        (int)blockIdx.x % J, J};
    float sums[BN / 2] = {};
    multiply_taps(operands, table, first_column, area, sums);
    const int tiles = gridDim.x / J;  // of a group and class
    const Split split = {parts, tickets, J, fan, tiles * (int)gridDim.y, tiles * (int)blockIdx.y + tile, operands.part};
    if (!join_sums(split, sums)) return;

    // write
    store_tile(sums, operands, table, area, first_column, gx + group * Cg, nullptr, nullptr, NOTHING);
#if SLOPES
    T* out = gx + group * Cg;
    const auto start = [&](int row) { return table.to[row] < 0 ? nullptr : out + (i64)table.to[row] * EACH; };
    const int strip = group * across + first_column / BN, c = group * Cg;
    give_slopes(
        start, out, first_column, area,
        {parts, tickets, fan, ceil_div(own.M, BM), g.C, own.M, first_row / BM, strip, c + first_column, Cg - first_column},
        {z + c, x ? x + c : nullptr, mean + c, rstd + c, ggamma + c, gbeta + c});
#endif
}
