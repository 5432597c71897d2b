// Mean and m2, the sum of squared deviations from it, of a growing set of numbers, without cancellation.
// Chan, Golub, LeVeque, "Updating formulae and a pairwise algorithm ..." (1979), eq. 2.1.
#pragma once
#include "row.cuh"

struct Moments {
    ACC count = 0, mean[LINES] = {}, m2[LINES] = {};  // of each row of the team

    // The same with the numbers of so many packs more, in a unit; not `centred`: squares of the numbers themselves.
    __device__ __forceinline__ void add(const Held (&held)[KEEP], int packs, bool centred, ACC unit) {
        ACC middle[LINES] = {}, more[LINES] = {};
#pragma unroll
        for (int u = 0; u < KEEP; ++u) {
            if (u >= packs) continue;
            ACC v[VEC];
            held[u].widen(v);
#pragma unroll
            for (int j = 0; j < VEC; ++j) middle[line_of(j)] += v[j] * unit;
        }
        const ACC n = smaller(packs, KEEP) * (VEC / LINES), part = n / (count + n);
#pragma unroll
        for (int k = 0; k < LINES; ++k) middle[k] = centred ? middle[k] / n : (ACC)0;
#pragma unroll
        for (int u = 0; u < KEEP; ++u) {
            if (u >= packs) continue;
            ACC v[VEC];
            held[u].widen(v);
#pragma unroll
            for (int j = 0; j < VEC; ++j) {
                const ACC off = v[j] * unit - middle[line_of(j)];
                more[line_of(j)] += off * off;
            }
        }
#pragma unroll
        for (int k = 0; k < LINES; ++k) {
            const ACC delta = middle[k] - mean[k];
            m2[k] = count == 0 ? more[k] : m2[k] + more[k] + delta * delta * count * part;
            mean[k] = count == 0 ? middle[k] : mean[k] + delta * part;
        }
        count += n;
    }

    // Each row's, of all threads of the team: all of the block come here.
    __device__ __forceinline__ void join(const Team& own, ACC L, bool centred) {
        ACC all[LINES], square[LINES];
#pragma unroll
        for (int k = 0; k < LINES; ++k) all[k] = count * mean[k];
        own.sums(all);
#pragma unroll
        for (int k = 0; k < LINES; ++k) {
            all[k] = centred ? all[k] / L : (ACC)0;
            const ACC off = mean[k] - all[k];
            square[k] = count > 0 ? m2[k] + count * off * off : (ACC)0;
        }
        own.sums(square);
#pragma unroll
        for (int k = 0; k < LINES; ++k) mean[k] = all[k], m2[k] = square[k];
        count = L;
    }
};

// Deviations whose squares overflow ACC (in float from 1e19 on, in a long sum sooner) are squared in a unit in which they
// do not. No other row pays for that.
__device__ __forceinline__ ACC far_unit() { return sizeof(ACC) == 8 ? (ACC)0x1p-800 : (ACC)0x1p-96; }

// 1 / sqrt(variance + eps) from m2 in a unit, by IEEE square root and division: rsqrt would cost two bits.
__device__ __forceinline__ ACC rstd_of(ACC m2, ACC count, ACC eps, ACC unit) {
    return unit / sqrt(m2 / count + eps * unit * unit);
}
