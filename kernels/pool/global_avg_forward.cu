/*
Global average pooling forward: adaptive average pooling to one output, many threads an image.

math:     y[n,c] = mean of x[n,c,l] over the L pixels l
layout:   x (N,L,C) (NHWC=1) or (N,C,L) (NHWC=0); y (N,C); parts (J,N*C)
threads:  256 a block: g.columns x g.rows an image, VEC channels (or pixels) a thread; blockIdx.y one of J parts of the
          pixels, which the last block of each column of the grid joins
shared:   (VEC if NHWC else 1)*256*(4 if e < 8 else 8)
flops:    N*C*L
bytes:    e*N*C*(L + 1)
requires: one sample below 2^31 elements; VEC > 1 needs C (or L) % VEC = 0; rows and columns are powers of 2
numerics: a running sum in ACC of every rows-th pixel, joined by a tree, and the parts likewise
optional: parts tickets
*/
#include "global.cuh"

extern "C" __global__ void global_avg_pool_forward(const T* x, T* y, ACC* parts, int* tickets, Global g)
{
    const Walk at(g);
    ACC part[VEC] = {}, sum[OWN] = {};
    at.over(x, g.rows, [&](const ACC (&value)[VEC], int) {
#pragma unroll
        for (int j = 0; j < VEC; ++j) part[j] += value[j];
    });
#pragma unroll
    for (int j = 0; j < VEC; ++j) sum[NHWC ? j : 0] += part[j];
    const auto plus = [](ACC a, ACC b) { return a + b; };
    over_rows(sum, g, at.row, plus);

    if (g.J > 1) {
        ACC* const mine = parts + at.own;
        const i64 outputs = (i64)g.N * g.C;
        for (int j = 0; at.real && at.row == 0 && j < OWN; ++j) mine[blockIdx.y * outputs + j] = sum[j];
        if (!drew_last(tickets + blockIdx.x, g.J)) return;
#pragma unroll
        for (int j = 0; j < OWN; ++j) sum[j] = 0;
        for (int part = at.row; at.real && part < g.J; part += g.rows) {
#pragma unroll
            for (int j = 0; j < OWN; ++j) sum[j] += mine[part * outputs + j];
        }
        over_rows(sum, g, at.row, plus);
    }

    if (!at.real || at.row) return;
#pragma unroll
    for (int j = 0; j < OWN; ++j) sum[j] /= g.L;
    store_channels<OWN>(y + at.own, sum);
}
