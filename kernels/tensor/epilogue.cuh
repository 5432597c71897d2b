// From a block's sums to memory: bias, residual, activation, and through shared memory to 16-byte stores of whole rows.
#pragma once
#include "rows.cuh"
#include "tile.cuh"

#ifndef ANEW
#define ANEW (PRECISION == TF32X3)  // whether sums that are no finite numbers are added up anew
#endif

static const int SUMS = BN + 8;  // floats from a row's sums in shared memory to the next: four rows' pairs meet 32 banks
static const int SUMS_BYTES = BM * SUMS * 4;

// Every sum goes to shared memory, row by row.
__device__ __forceinline__ void keep_sums(const float (&sums)[MI][NI][4], float* kept) {
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    float* mine = kept + (warp / (BN / WN) * WM + lane / 4) * SUMS + warp % (BN / WN) * WN + lane % 4 * 2;
#pragma unroll
    for (int i = 0; i < MI; ++i) {
#pragma unroll
        for (int j = 0; j < NI; ++j) {
#pragma unroll
            for (int half = 0; half < 2; ++half) {
                float2* to = reinterpret_cast<float2*>(mine + (i * 16 + half * 8) * SUMS + j * 8);
                *to = make_float2(sums[i][j][half * 2], sums[i][j][half * 2 + 1]);
            }
        }
    }
    __syncthreads();
}

// Writes the tile. start(row): where row `row` of the tile begins, at its group's column 0, or null; columns: those of the
// group, a multiple of EACH. again(row, column): the sum anew, of plain floats: what three products of TF32 make of numbers
// that are infinite, or too large to be split, is NaN, and there this slow path is taken. residual: added where not null,
// in rows that lie as those from `out` on do.
template <typename Start, typename Again>
__device__ __forceinline__ void store_tile(
    const float (&sums)[MI][NI][4], char* area, int first_column, int columns, const T* bias, int activation,
    const Start& start, const Again& again, const T* residual = nullptr, const T* out = nullptr)
{
    float* kept = reinterpret_cast<float*>(area);
    keep_sums(sums, kept);
    const int packs = BN / EACH;  // of a row
#pragma unroll 1
    for (int i = threadIdx.x; i < BM * packs; i += THREADS) {
        int row = i / packs;
        if (BN == 16 && EACH == 4) row = (row & ~3) | (row & 1) * 2 | (row >> 1 & 1);  // two lanes' rows meet no bank
        const int within_tile = i % packs * EACH, column = first_column + within_tile;
        T* to = start(row);
        if (!to || column >= columns) continue;
        float v[EACH];
        // rows of 16 columns have two lanes, wider ones four side by side
        load_sums(kept + row * SUMS + within_tile, EACH == 8 && threadIdx.x / (BN == 16 ? 2 : 4) % 2, v);
#if ANEW
        mend(v, [&](int e) { return again(row, column + e); });
#endif
        if (bias) {
#pragma unroll
            for (int e = 0; e < EACH; ++e) v[e] += load(bias + column + e);
        }
        if (residual) {
            float more[EACH];
            load_channels<EACH>(residual + (to - out) + column, more);
#pragma unroll
            for (int e = 0; e < EACH; ++e) v[e] += more[e];
        }
#pragma unroll
        for (int e = 0; e < EACH; ++e) v[e] = activated(v[e], activation);
        store_each(to + column, v);
    }
}
