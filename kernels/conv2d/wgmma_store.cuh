// From the sums of warpgroups to memory: bias, residual, activation, and through shared memory to 16-byte stores of whole rows.
#pragma once
#include "wgmma.cuh"

// Writes the tile, at `out` of its group. A sum that is no finite number is added up anew: a tap outside of the source is a
// product with 0 here, which of an infinite weight is NaN, and no product in the plain loops.
__device__ __forceinline__ void store_tile(
    const float (&sums)[BN / 2], const Operands& o, const Table& table, char* area, int first_column, T* out, const T* bias,
    const T* residual, int activation)
{
    float* kept = reinterpret_cast<float*>(area);
    keep_sums(sums, kept);
    const int packs = BN / EACH;  // of a row
#pragma unroll 1
    for (int i = threadIdx.x; i < BM * packs; i += THREADS) {
        const int row = i / packs, within_tile = i % packs * EACH, column = first_column + within_tile;
        if (table.to[row] < 0 || column >= o.columns) continue;
        float v[EACH];
        load_sums(kept + row * PITCH + within_tile, EACH == 8 && threadIdx.x / 4 % 2, v);
        mend(v, [&](int e) { return plain_sum(o, table, row, column + e); });
        if (bias) {
#pragma unroll
            for (int e = 0; e < EACH; ++e) v[e] += load(bias + column + e);
        }
        const i64 at = (i64)table.to[row] * EACH + column;
        if (residual) {
            float more[EACH];
            load_channels<EACH>(residual + at, more);
#pragma unroll
            for (int e = 0; e < EACH; ++e) v[e] += more[e];
        }
#pragma unroll
        for (int e = 0; e < EACH; ++e) v[e] = activated(v[e], activation);
        store_each(out + at, v);
    }
}
