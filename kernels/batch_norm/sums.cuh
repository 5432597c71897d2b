// The two sums of each channel that batch norm's backward pass begins with: of this thread's packs, of the block's part, and,
// by the last block of a column, of all parts.
#pragma once
#include "pairs.cuh"
#include "tail.cuh"

struct Sums {  // in shared memory
    ACC plain[VEC][THREADS], sloped[VEC][THREADS];
};

// To parts[0,j,c] the sum of g, to parts[1,j,c] that of g * (x - mean).
__device__ __forceinline__ void sum_part(
    const Walk& walk, int columns, Sums& room, const Slopes& slopes, const T* gy, const T* x, const Gate& gate, ACC* parts)
{
    ACC sum[VEC] = {}, slope[VEC] = {};
    over_pairs<false>(walk, slopes, gy, x, gate, [&](i64, const ACC(&off)[VEC], const ACC(&g)[VEC]) {
#pragma unroll
        for (int j = 0; j < VEC; ++j) sum[j] += g[j], slope[j] += g[j] * off[j];
    });
    const int me = threadIdx.x;
#pragma unroll
    for (int j = 0; j < VEC; ++j) room.plain[j][me] = sum[j], room.sloped[j][me] = slope[j];
    join_rows(walk, columns, [&](int a, int b) {
#pragma unroll
        for (int j = 0; j < VEC; ++j) room.plain[j][a] += room.plain[j][b], room.sloped[j][a] += room.sloped[j][b];
    });
    if (me >= columns || !walk.real) return;
    ACC* out = parts + (i64)blockIdx.y * walk.C + walk.c;
    const i64 further = (i64)gridDim.y * walk.C;
#if NHWC
    for (int j = 0; j < VEC; ++j) out[j] = room.plain[j][me], out[j + further] = room.sloped[j][me];
#else
    out[0] = room.plain[0][0], out[further] = room.sloped[0][0];  // every element of the packs is of one channel
    for (int j = 1; j < VEC; ++j) out[0] += room.plain[j][0], out[further] += room.sloped[j][0];
#endif
}

// All of it; tickets (gridDim.x).
__device__ __forceinline__ void sum_up(
    const Norm& g, const Walk& walk, int columns, const Slopes& slopes, const T* gy, const T* x, const Gate& gate,
    const ACC* rstd, ACC* parts, ACC* ggamma, ACC* gbeta, int* tickets)
{
    __shared__ Sums room;
    sum_part(walk, columns, room, slopes, gy, x, gate, parts);
    const int J = gridDim.y, C = g.C;
    if (!drew_last(tickets + blockIdx.x, J)) return;
    const Channels own(C, columns);
    const ACC *part = parts + own.first, *sloped = part + (i64)J * C;
    over_parts(own.count, J, room.plain[0], [&](int i, int j) { return part[(i64)j * C + i]; });
    over_parts(own.count, J, room.sloped[0], [&](int i, int j) { return sloped[(i64)j * C + i]; });
    for (int i = threadIdx.x; i < own.count; i += THREADS) {
        const int c = own.first + i;
        gbeta[c] = room.plain[0][i], ggamma[c] = room.sloped[0][i] * rstd[c];
    }
}
