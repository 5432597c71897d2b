/*
conv2d gradient of the input on tensor cores: the forward's multiplication on gy by mma.sync. At stride > 1 the input
pixels are split into stride_h * stride_w classes by their place modulo the stride: within a class the same taps meet every
pixel, so that no multiplication is wasted on taps that meet none. With SLOPES 1, where x is batch norm's result, of z, also
the gradients of that norm's parameters, which its backward pass begins with.

math:     gx[n,c,h,w] = sum over r,s,k of gy[n,k,p,q] * weight[k,c,r,s] where p*stride_h - pad_h + r*dil_h = h,
          q*stride_w - pad_w + s*dil_w = w; gbeta[c] = sum of gx where x > 0, ggamma[c] = sum of gx * (z - mean[c]) there,
          times rstd[c]
layout:   gy (N,P,Q,K), gx, z, x (N,H,W,C), weight (K,R,S,C/groups), row-major; parts (2,J,C), J = ceil(N*H*W / BM); the
          others (C)
threads:  a block owns BM pixels of one class x BN channels of one group (blockIdx.y = group and class), a warp WM x WN
shared:   12*BM + 256
flops:    2*N*P*Q*K*(C//G)*R*S
bytes:    e*(N*H*W*C + N*P*Q*K + K*(C//G)*R*S)
requires: C/groups and K/groups multiples of V = 16/e; aligned arrays of up to 2^31 packs of 16 bytes; up to 32 taps;
          PRECISION fits T; dynamic shared memory for STAGES stages and for the sums; with SLOPES stride 1, tickets 0
numerics: products in PRECISION, running sums in float, in the order r, s, k; of TF32X3 sums that are not finite anew;
          sums of what is stored in float, joined in a fixed order
optional: z x mean rstd parts ggamma gbeta tickets
arch:     80
*/
#define ACROSS 1
#include "../tensor/implicit.cuh"
#if SLOPES
#include "../tensor/slopes.cuh"
#endif
#include "taps.cuh"

extern "C" __global__ void __launch_bounds__(BOUNDS) conv2d_tensor_grad_input(
    const T* __restrict__ gy, const T* __restrict__ weight, T* __restrict__ gx, Conv2d g, const T* __restrict__ z,
    const T* __restrict__ x, const ACC* __restrict__ mean, const ACC* __restrict__ rstd, ACC* parts, ACC* ggamma, ACC* gbeta,
    int* tickets, int fan)
{
    // seek to the block's class and tile: neighbours share its pixels
    extern __shared__ __align__(128) char area[];
    __shared__ Table table;
    const Class own(g, blockIdx.y / g.groups);
    const int group = blockIdx.y % g.groups, Cg = g.Cg(), Kg = g.Kg(), across = ceil_div(Cg, BN);
    const int first_row = blockIdx.x / across * BM, first_column = blockIdx.x % across * BN;
    if (first_row >= own.M) return;  // the whole block, so no barrier is missed
    const int taps = fill_backward(table, g, own, first_row, Cg / EACH);

    // combine
    const T* filters = weight + (i64)group * Kg * g.R * g.S * Cg;
    const Operands operands = {gy + group * Kg, filters, taps, Kg / EACH, Cg, g.R * g.S * (Cg / EACH)};
    float sums[MI][NI][4] = {};
    multiply_taps(operands, table, first_column, area, sums);

    // write
    T* out = gx + group * Cg;
    const auto start = [&](int row) { return table.to[row] < 0 ? nullptr : out + (i64)table.to[row] * EACH; };
    store_tile(
        sums, area, first_column, Cg, nullptr, NOTHING, start,
        [&](int row, int column) { return plain_sum(operands, table, row, column); });
#if SLOPES
    const int strip = group * across + first_column / BN, c = group * Cg;
    give_slopes(
        start, out, first_column, area,
        {parts, tickets, fan, ceil_div(own.M, BM), g.C, own.M, first_row / BM, strip, c + first_column, Cg - first_column},
        {z + c, x ? x + c : nullptr, mean + c, rstd + c, ggamma + c, gbeta + c});
#endif
}
