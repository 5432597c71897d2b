/*
Layer and RMS normalisation of rows, forward: mean and deviation, and what is made with them, in one read of the row.

math:     y[m,l] = (x[m,l] - mean[m]) * rstd[m] * gamma[l] + beta[l]; rstd[m] = 1 / sqrt(mean of (x - mean)^2 + eps);
          without `mean` it is 0
layout:   x, y (M,L); gamma, beta (L); mean, rstd (M)
threads:  row.cuh: a team of threads a row, four loads in flight
shared:   16*(4 if e < 8 else 8)
flops:    7*M*L
bytes:    2*e*M*L
requires: team a power of two up to 512, dividing the block; VEC > 1 needs L % VEC = 0
numerics: moments of a thread's chunks merged by Chan's formula; over the team the mean first, then squares about it, in
          a fixed order; where these overflow ACC, again in a unit in which they do not
optional: gamma beta mean
*/
#include "moments.cuh"

extern "C" __global__ void __launch_bounds__(512, 1) layer_norm_forward(
    const T* __restrict__ x, const ACC* __restrict__ gamma, const ACC* __restrict__ beta, T* __restrict__ y, ACC* mean,
    ACC* rstd, i64 M, int L, int team, ACC eps)
{
    // seek to the row of this thread's team
    const Team own(team);
    const i64 row = (i64)blockIdx.x * own.count + own.index;
    const bool real = row < M;
    const T* from = x + (real ? row : 0) * L;
    const int packs = real ? L / VEC : 0, last = own.last(packs), chunk = KEEP * own.size;

    // combine
    Held held[KEEP];
    ACC middle = 0, scale = 0, m2 = 0;
    for (ACC unit = 1;; unit = far_unit()) {
        Moments all;
        for (int base = own.rank; base < packs; base += chunk) {
            own.fetch(from, base, packs, held);
            all.add(held, ceil_div(packs - base, own.size), mean, unit);
        }
        all.join(own, L, mean);
        if (unit == 1 || !isfinite(m2)) {
            middle = all.mean[0] / unit, scale = rstd_of(all.m2[0], L, eps, unit);
            if (unit == 1) m2 = all.m2[0];
        }
        if (unit != 1 || !__syncthreads_or(!isfinite(m2))) break;
    }

    // write
    for (int base = last; base >= 0; base -= chunk) {
        if (base != last) own.fetch(from, base, packs, held);
#pragma unroll
        for (int u = 0; u < KEEP; ++u) {
            const int at = (base + u * own.size) * VEC;
            if (base + u * own.size >= packs) continue;
            ACC v[VEC], w[VEC];
            held[u].widen(v);
#pragma unroll
            for (int j = 0; j < VEC; ++j) v[j] = (v[j] - middle) * scale;
            if (gamma) {
                load_wide(gamma + at, w);
#pragma unroll
                for (int j = 0; j < VEC; ++j) v[j] *= w[j];
            }
            if (beta) {
                load_wide(beta + at, w);
#pragma unroll
                for (int j = 0; j < VEC; ++j) v[j] += w[j];
            }
            store_channels<VEC>(y + row * L + at, v);
        }
    }
    if (!real || own.rank != 0) return;
    rstd[row] = scale;
    if (mean) mean[row] = middle;
}
