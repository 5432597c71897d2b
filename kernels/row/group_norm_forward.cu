/*
Group and instance normalisation, forward: a block takes some groups of a sample.

math:     y = (x - mean[n,g]) * rstd[n,g] * gamma[c] + beta[c]; rstd = 1 / sqrt(mean of (x - mean)^2 + eps), over the
          channels c of group g and their positions
layout:   x, y (N,L,C) with ACROSS=1, (N,C,L) with ACROSS=0; gamma, beta (C); mean, rstd (N,G); moments (N,2,C)
threads:  row.cuh, a channel a row: a team of threads a channel (ACROSS=0) or VEC channels (1), the block's channels in
          turn; then a warp a group; four loads in flight
shared:   (512*VEC if ACROSS else 16)*(4 if e < 8 else 8)
flops:    7*N*C*L
bytes:    2*e*N*C*L
requires: 256 or 512 threads a block; team a power of two, dividing them; VEC > 1 needs C/G*bundle % VEC = 0 (ACROSS=1)
          or L % VEC = 0
numerics: a channel's moments as a row's, then a group's by Chan's formula, all in a fixed order; where squares overflow
          ACC, again in a unit in which they do not; more than one chunk a thread is read twice
optional: gamma beta
*/
#include "group_norm.cuh"

extern "C" __global__ void __launch_bounds__(512, 1) group_norm_forward(
    const T* __restrict__ x, const ACC* __restrict__ gamma, const ACC* __restrict__ beta, T* __restrict__ y, ACC* mean,
    ACC* rstd, ACC* moments, Groups g, int bundle, int team, ACC eps)
{
    // seek to the groups of this block
    const Team own(team);
    const Part part(g, own, bundle);
    const int warp = threadIdx.x / 32, lane = threadIdx.x % 32, first_group = part.first / part.each;
    ACC *means = moments + part.n * 2 * g.C + part.first, *m2s = means + g.C;
    mean += part.n * g.G + first_group, rstd += part.n * g.G + first_group;

    // combine: moments of channels, of groups
    Held held[KEEP];
    for (ACC unit = 1;; unit = far_unit()) {
        for (int turn = 0; turn < part.width; turn += part.stride) {
            const int c = part.channel(turn, own), packs = part.packs_of(c);
            Moments all;
            for (int base = own.rank; base < packs; base += part.chunk) {
                own.fetch(x + part.row(c), base, packs, held, part.step);
                all.add(held, ceil_div(packs - base, own.size), true, unit);
            }
            all.join(own, g.L, true);
            if (own.rank != 0 || !packs) continue;
#pragma unroll
            for (int k = 0; k < LINES; ++k) means[c + k] = all.mean[k], m2s[c + k] = all.m2[k];
        }
        __syncthreads();
        bool far = false;
        for (int i = warp; i < part.groups(); i += blockDim.x / 32) {
            ACC middle = 0, m2 = 0;
            for (int c = lane; c < part.each; c += 32) middle += means[i * part.each + c] / part.each;
            middle = over_warp(middle);
            for (int c = lane; c < part.each; c += 32) {
                const ACC off = means[i * part.each + c] - middle;
                m2 += m2s[i * part.each + c] + off * off * g.L;
            }
            m2 = over_warp(m2);
            const bool again = unit == 1 && !isfinite(m2);
            far = far || again;
            if (lane == 0 && (unit == 1 || isnan(rstd[i]))) {  // a NaN marks the groups to come again
                mean[i] = middle / unit;
                rstd[i] = again ? (ACC)__uint_as_float(0x7fc00000u) : rstd_of(m2, (ACC)g.L * part.each, eps, unit);
            }
        }
        if (!__syncthreads_or(far)) break;
    }

    // write
    bool there = true;  // the last chunk is in registers
    for (int turn = part.last_turn(); turn >= 0; turn -= part.stride) {
        const int c = part.channel(turn, own), packs = part.packs_of(c);
        ACC middle[LINES], scale[LINES], shift[LINES];
#pragma unroll
        for (int k = 0; k < LINES; ++k) {
            const int i = smaller(c + k, part.width - 1), at = part.first + i;
            middle[k] = mean[i / part.each], scale[k] = rstd[i / part.each] * (gamma ? gamma[at] : (ACC)1);
            shift[k] = beta ? beta[at] : (ACC)0;
        }
        for (int base = own.last(packs); base >= 0; base -= part.chunk) {
            if (!there) own.fetch(x + part.row(c), base, packs, held, part.step);
            there = false;
#pragma unroll
            for (int u = 0; u < KEEP; ++u) {
                if (base + u * own.size >= packs) continue;
                ACC v[VEC];
                held[u].widen(v);
#pragma unroll
                for (int j = 0; j < VEC; ++j) {
                    v[j] = (v[j] - middle[line_of(j)]) * scale[line_of(j)] + shift[line_of(j)];
                }
                store_channels<VEC>(y + part.row(c) + (base + u * own.size) * part.step, v);
            }
        }
        there = false;
    }
}
