/*
Group and instance normalisation, backward: gx, and each sample's part of the gradients of gamma and beta.

math:     unit = (x - mean[n,g]) * rstd[n,g]; parts[n,0,c] = sum of gy * unit, parts[n,1,c] = sum of gy, over positions;
          gx = rstd * (gy * gamma - mean of gy * gamma - unit * mean of gy * gamma * unit), means over the group
layout:   gy, x, gx (N,L,C) with ACROSS=1, (N,C,L) with ACROSS=0; gamma (C); mean, rstd (N,G); parts (N,2,C)
threads:  as group_norm_forward; eight loads in flight
shared:   (2*512*VEC + 2*512 if ACROSS else 2*512 + 32)*(4 if e < 8 else 8)
flops:    12*N*C*L
bytes:    3*e*N*C*L
requires: 256 or 512 threads a block; bundle up to 512; team a power of two, dividing the threads; VEC > 1 needs
          C/G*bundle % VEC = 0 (ACROSS=1) or L % VEC = 0
numerics: sums in ACC, in a fixed order: of a channel as of a row, then of a group; more than one chunk a thread is read
          twice
optional: gamma
*/
#include "group_norm.cuh"

extern "C" __global__ void __launch_bounds__(512, 1) group_norm_backward(
    const T* __restrict__ gy, const T* __restrict__ x, const ACC* __restrict__ gamma, const ACC* __restrict__ mean,
    const ACC* __restrict__ rstd, T* __restrict__ gx, ACC* parts, Groups g, int bundle, int team)
{
    // seek to the groups of this block
    __shared__ ACC level_of[512], slope_of[512];
    const Team own(team);
    const Part part(g, own, bundle);
    const int warp = threadIdx.x / 32, lane = threadIdx.x % 32, first_group = part.first / part.each;
    ACC *slopes = parts + part.n * 2 * g.C + part.first, *levels = slopes + g.C;
    mean += part.n * g.G + first_group, rstd += part.n * g.G + first_group;

    // combine: sums of channels, of groups
    Held below[KEEP], above[KEEP];
    ACC middle[LINES], scale[LINES];
    for (int turn = 0; turn < part.width; turn += part.stride) {
        const int c = part.channel(turn, own), packs = part.packs_of(c);
        ACC sum[2 * LINES] = {};
#pragma unroll
        for (int k = 0; k < LINES; ++k) {
            const int i = smaller(c + k, part.width - 1) / part.each;
            middle[k] = mean[i], scale[k] = rstd[i];
        }
        for (int base = own.rank; base < packs; base += part.chunk) {
            own.fetch(x + part.row(c), base, packs, below, part.step);
            own.fetch(gy + part.row(c), base, packs, above, part.step);
#pragma unroll
            for (int u = 0; u < KEEP; ++u) {
                if (base + u * own.size >= packs) continue;
                ACC v[VEC], e[VEC];
                below[u].widen(v), above[u].widen(e);
#pragma unroll
                for (int j = 0; j < VEC; ++j) {
                    const int k = line_of(j);
                    sum[k] += e[j] * ((v[j] - middle[k]) * scale[k]), sum[LINES + k] += e[j];
                }
            }
        }
        own.sums(sum);
        if (own.rank != 0 || !packs) continue;
#pragma unroll
        for (int k = 0; k < LINES; ++k) slopes[c + k] = sum[k], levels[c + k] = sum[LINES + k];
    }
    __syncthreads();
    for (int i = warp; i < part.groups(); i += blockDim.x / 32) {
        ACC level = 0, slope = 0;
        for (int c = lane + i * part.each; c < (i + 1) * part.each; c += 32) {
            const ACC w = gamma ? gamma[part.first + c] : (ACC)1;
            level += levels[c] * w, slope += slopes[c] * w;
        }
        level = over_warp(level), slope = over_warp(slope);
        const ACC count = (ACC)g.L * part.each;
        if (lane == 0) level_of[i] = level / count, slope_of[i] = slope / count;
    }
    __syncthreads();

    // write
    bool there = true;  // the last chunk is in registers
    for (int turn = part.last_turn(); turn >= 0; turn -= part.stride) {
        const int c = part.channel(turn, own), packs = part.packs_of(c);
        ACC w[LINES], level[LINES], slope[LINES];
#pragma unroll
        for (int k = 0; k < LINES; ++k) {
            const int at = smaller(c + k, part.width - 1), i = at / part.each;
            middle[k] = mean[i], scale[k] = rstd[i], w[k] = gamma ? gamma[part.first + at] : (ACC)1;
            level[k] = level_of[i], slope[k] = slope_of[i];
        }
        for (int base = own.last(packs); base >= 0; base -= part.chunk) {
            if (!there) own.fetch(x + part.row(c), base, packs, below, part.step);
            if (!there) own.fetch(gy + part.row(c), base, packs, above, part.step);
            there = false;
#pragma unroll
            for (int u = 0; u < KEEP; ++u) {
                if (base + u * own.size >= packs) continue;
                ACC v[VEC], e[VEC];
                below[u].widen(v), above[u].widen(e);
#pragma unroll
                for (int j = 0; j < VEC; ++j) {
                    const int k = line_of(j);
                    v[j] = (e[j] * w[k] - level[k] - (v[j] - middle[k]) * scale[k] * slope[k]) * scale[k];
                }
                store_channels<VEC>(gx + part.row(c) + (base + u * own.size) * part.step, v);
            }
        }
        there = false;
    }
}
