/*
Batch normalisation backward, first step: the gradients of gamma and beta, from two sums of each channel.

math:     g = y given ? (y > 0 ? gy : 0) : gy; parts[0,j,c] = sum of g, parts[1,j,c] = sum of g * (x - mean[c]) over part j;
          gbeta[c] = sum over j of parts[0,j,c]; ggamma[c] = sum over j of parts[1,j,c] * rstd[c]
layout:   gy, x, y (N,L,C) with NHWC=1, (N,C,L) with NHWC=0; parts (2,J,C), J = gridDim.y; tickets (gridDim.x); the others (C)
threads:  walk.cuh; four loads in flight, with y six; the last block of a column joins its parts (tail.cuh)
shared:   (2*256*VEC + 1)*(4 if e < 8 else 8)
flops:    4*N*C*L
bytes:    2*e*N*C*L
requires: 256 threads a block; N*L below 2^31; VEC > 1 needs C % VEC = 0 (NHWC) or L % VEC = 0; tickets 0
numerics: running sums in ACC, joined as trees of fixed shape
optional: y
*/
#include "tail.cuh"

static const int AHEAD = 2;  // packs of an array that are fetched before the first is looked at

extern "C" __global__ void __launch_bounds__(256, HELD) batch_norm_backward_sums(
    const T* __restrict__ gy, const T* __restrict__ x, const T* __restrict__ y, const ACC* __restrict__ mean,
    const ACC* __restrict__ rstd, ACC* parts, ACC* __restrict__ ggamma, ACC* __restrict__ gbeta, int* tickets, Norm g,
    int columns)
{
    // seek to the channels of this thread
    __shared__ ACC plain[VEC][THREADS], sloped[VEC][THREADS];
    Walk walk(g, columns);
    ACC centre[VEC];
    of_channels(mean, walk, 0, centre);

    // combine this thread's packs, then the threads of a channel
    ACC sum[VEC] = {}, slope[VEC] = {};
    for (; walk.has(1); walk.at += AHEAD * walk.step) {
        Raw above[AHEAD], below[AHEAD], passed[AHEAD];
#pragma unroll
        for (int u = 0; u < AHEAD; ++u) {
            if (!walk.has(u + 1)) continue;
            below[u].fetch(x + walk.address(u));
            above[u].fetch(gy + walk.address(u));
            if (y) passed[u].fetch(y + walk.address(u));
        }
#pragma unroll
        for (int u = 0; u < AHEAD; ++u) {
            if (!walk.has(u + 1)) continue;
            ACC v[VEC], passing[VEC];
            below[u].widen(v);
            let_through(above[u], passed[u], y, passing);
#pragma unroll
            for (int j = 0; j < VEC; ++j) sum[j] += passing[j], slope[j] += passing[j] * (v[j] - centre[j]);
        }
    }
    const int me = threadIdx.x;
#pragma unroll
    for (int j = 0; j < VEC; ++j) plain[j][me] = sum[j], sloped[j][me] = slope[j];
    for (int half = THREADS / 2; half >= columns; half /= 2) {
        __syncthreads();
        if (me >= half) continue;
#pragma unroll
        for (int j = 0; j < VEC; ++j) plain[j][me] += plain[j][me + half], sloped[j][me] += sloped[j][me + half];
    }

    // write this part
    const int J = gridDim.y, C = g.C;
    const i64 further = (i64)J * C;
    if (me < columns && walk.real) {
        ACC* out = parts + (i64)blockIdx.y * C + walk.c;
#if NHWC
        for (int j = 0; j < VEC; ++j) out[j] = plain[j][me], out[j + further] = sloped[j][me];
#else
        out[0] = plain[0][0], out[further] = sloped[0][0];  // every element of the packs is of one channel
        for (int j = 1; j < VEC; ++j) out[0] += plain[j][0], out[further] += sloped[j][0];
#endif
    }
    if (!is_last(tickets + blockIdx.x, J)) return;

    // combine the parts
    const Channels own(C, columns);
    const ACC* part = parts + own.first;
    over_parts(own.count, J, plain[0], [&](int i, int j) { return part[(i64)j * C + i]; });
    over_parts(own.count, J, sloped[0], [&](int i, int j) { return part[(i64)j * C + i + further]; });
    for (int i = me; i < own.count; i += THREADS) {
        const int c = own.first + i;
        gbeta[c] = plain[0][i], ggamma[c] = sloped[0][i] * rstd[c];
    }
}
