/*
Layer and RMS normalisation of rows, backward: gx, and each block's part of the gradients of gamma and beta.

math:     unit = (x - mean[m]) * rstd[m], g = gy * gamma[l]; gx = rstd[m] * (g - mean of g - unit * mean of g * unit), the
          first mean 0 without `mean`; parts[j,0,l] = sum of gy * unit, parts[j,1,l] = sum of gy over the rows of block j
layout:   gy, x, gx (M,L); gamma (L); mean, rstd (M); parts (J,2,L), J = gridDim.x
threads:  row.cuh: a team of threads a row, and all rows that are J*(teams of a block) apart; eight loads in flight
shared:   (32 if LONG else 32 + 256*VEC)*(4 if e < 8 else 8)
flops:    12*M*L
bytes:    3*e*M*L
requires: team a power of two up to 512, dividing the block; VEC > 1 needs L % VEC = 0; unless LONG, L <= KEEP*VEC*team;
          with LONG one team a block; else up to 256 threads a block of several
numerics: sums in ACC, in a fixed order: of a thread, a butterfly over the team; of parts row by row, then team by team
optional: gamma mean parts
*/
#define KEEP (VEC == 8 ? 2 : 4)  // of 4 packs of 8 the sums alone would take 64 of 128 registers
#include "row.cuh"

extern "C" __global__ void __launch_bounds__(512, 1) layer_norm_backward(
    const T* __restrict__ gy, const T* __restrict__ x, const ACC* __restrict__ gamma, const ACC* __restrict__ mean,
    const ACC* __restrict__ rstd, T* __restrict__ gx, ACC* parts, i64 M, int L, int team)
{
    // seek to the columns of this thread
    const Team own(team);
    const int chunk = KEEP * own.size;
    ACC* part = parts ? parts + (i64)blockIdx.x * 2 * L : nullptr;
    ACC slopes[KEEP][VEC] = {}, levels[KEEP][VEC] = {};  // unless LONG

    for (i64 first = (i64)blockIdx.x * own.count; first < M; first += (i64)gridDim.x * own.count) {
        const i64 row = first + own.index;
        const bool real = row < M;
        const i64 start = (real ? row : 0) * L;
        const int packs = real ? L / VEC : 0, last = own.last(packs);
        const ACC middle = real && mean ? mean[row] : (ACC)0, scale = real ? rstd[row] : (ACC)0;
        Held below[KEEP], above[KEEP];

        // combine: the sums of g and g * unit, and what the row adds to the parts
        ACC sum[2] = {};
        for (int base = own.rank; base < packs; base += chunk) {
            own.fetch(x + start, base, packs, below);
            own.fetch(gy + start, base, packs, above);
#pragma unroll
            for (int u = 0; u < KEEP; ++u) {
                const int at = (base + u * own.size) * VEC;
                if (base + u * own.size >= packs) continue;
                ACC v[VEC], g[VEC], w[VEC];
                below[u].widen(v), above[u].widen(g);
                if (gamma) load_wide(gamma + at, w);
#pragma unroll
                for (int j = 0; j < VEC; ++j) {
                    const ACC slope = g[j] * ((v[j] - middle) * scale);
                    sum[0] += gamma ? g[j] * w[j] : g[j], sum[1] += gamma ? slope * w[j] : slope;
                    if (!LONG) {
                        slopes[u][j] += slope, levels[u][j] += g[j];
                    } else if (part) {
                        part[at + j] = slope + (row != blockIdx.x ? part[at + j] : (ACC)0);
                        part[L + at + j] = g[j] + (row != blockIdx.x ? part[L + at + j] : (ACC)0);
                    }
                }
            }
        }
        own.sums(sum);
        const ACC level = mean ? sum[0] / L : (ACC)0, slope = sum[1] / L;

        // write
        for (int base = last; base >= 0; base -= chunk) {
            if (base != last) own.fetch(x + start, base, packs, below), own.fetch(gy + start, base, packs, above);
#pragma unroll
            for (int u = 0; u < KEEP; ++u) {
                const int at = (base + u * own.size) * VEC;
                if (base + u * own.size >= packs) continue;
                ACC v[VEC], g[VEC], w[VEC];
                below[u].widen(v), above[u].widen(g);
                if (gamma) load_wide(gamma + at, w);
#pragma unroll
                for (int j = 0; j < VEC; ++j) {
                    const ACC unit = (v[j] - middle) * scale;
                    v[j] = ((gamma ? g[j] * w[j] : g[j]) - level - unit * slope) * scale;
                }
                store_channels<VEC>(gx + start + at, v);
            }
        }
    }
    if (LONG || !part) return;

    // write the part: the block's teams one after the other
    __shared__ ACC room[VEC][256];
    for (int which = 0; which < 2; ++which) {
#pragma unroll
        for (int u = 0; u < KEEP; ++u) {
            const int at = (own.rank + u * own.size) * VEC;
            ACC(&mine)[VEC] = which == 0 ? slopes[u] : levels[u];
            if (own.count > 1) {
                __syncthreads();
#pragma unroll
                for (int j = 0; j < VEC; ++j) room[j][threadIdx.x] = mine[j];
                __syncthreads();
            }
            if (own.index != 0 || at >= L) continue;
#pragma unroll 1
            for (int other = 1; other < own.count; ++other) {
#pragma unroll
                for (int j = 0; j < VEC; ++j) mine[j] += room[j][other * own.size + own.rank];
            }
#pragma unroll
            for (int j = 0; j < VEC; ++j) part[which * L + at + j] = mine[j];
        }
    }
}
