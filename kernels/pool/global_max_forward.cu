/*
Global max pooling forward: adaptive max pooling to one output, many threads an image.

math:     y[n,c] = max of x[n,c,l] over the L pixels l; index = l
layout:   x (N,L,C) (NHWC=1) or (N,C,L) (NHWC=0); y and index (N,C); parts and places (J,N*C)
threads:  256 a block: g.columns x g.rows an image, VEC channels (or pixels) a thread; blockIdx.y one of J parts of the
          pixels, which the last block of each column of the grid joins
shared:   (VEC if NHWC else 1)*256*(8 if e < 8 else 12)
flops:    N*C*L
bytes:    e*N*C*(L + 1) + I*N*C
requires: one sample below 2^31 elements; VEC > 1 needs C (or L) % VEC = 0; rows and columns are powers of 2
numerics: exact; the first maximum wins, the last NaN beats every number
optional: index parts places tickets
*/
#include "global.cuh"

extern "C" __global__ void global_max_pool_forward(
    const T* x, T* y, INDEX* index, ACC* parts, int* places, int* tickets, Global g)
{
    const Walk at(g);
    Choice found[VEC], best[OWN];
#pragma unroll
    for (int j = 0; j < VEC; ++j) found[j] = {0, -1};
    at.over(x, g.rows, [&](const ACC (&value)[VEC], int pixel) {
#pragma unroll
        for (int j = 0; j < VEC; ++j) {  // places grow, so that this is chosen(found, value)
            if (found[j].at < 0 || value[j] > found[j].value || value[j] != value[j]) {
                found[j] = {value[j], NHWC ? pixel : pixel * VEC + j};
            }
        }
    });
#pragma unroll
    for (int j = 0; j < OWN; ++j) best[j] = found[j];
#pragma unroll
    for (int j = OWN; j < VEC; ++j) best[0] = chosen(best[0], found[j]);
    over_rows(best, g, at.row, chosen);

    if (g.J > 1) {
        const i64 outputs = (i64)g.N * g.C;
        for (int j = 0; at.real && at.row == 0 && j < OWN; ++j) {
            const i64 mine = blockIdx.y * outputs + at.own + j;
            parts[mine] = best[j].value, places[mine] = best[j].at;
        }
        if (!drew_last(tickets + blockIdx.x, g.J)) return;
        for (int part = at.row; at.real && part < g.J; part += g.rows) {  // what a thread has is among them
#pragma unroll
            for (int j = 0; j < OWN; ++j) {
                const i64 theirs = part * outputs + at.own + j;
                best[j] = chosen(best[j], {parts[theirs], places[theirs]});
            }
        }
        over_rows(best, g, at.row, chosen);
    }

    if (!at.real || at.row) return;
    ACC value[OWN];
    Indices<INDEX> winner;
#pragma unroll
    for (int j = 0; j < OWN; ++j) value[j] = best[j].value, winner.item[j] = best[j].at;
    store_channels<OWN>(y + at.own, value);
    if (!index) return;
    if (NHWC) {
        store_indices(index + at.own, winner);
    } else {
        index[at.own] = winner.item[0];
    }
}
