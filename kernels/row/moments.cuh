// Mean and m2, the sum of squared deviations from it, of a growing set of numbers, without cancellation.
// Chan, Golub, LeVeque, "Updating formulae and a pairwise algorithm ..." (1979), eq. 2.1.
#pragma once
#include "row.cuh"

struct Moments {
    ACC count, mean, m2;

    // The same with the numbers of so many packs more, in a unit; not `centred`: squares of the numbers themselves.
    __device__ __forceinline__ void add(const Held (&held)[KEEP], int packs, bool centred, ACC unit) {
        ACC sum = 0, more = 0;
#pragma unroll
        for (int u = 0; u < KEEP; ++u) {
            if (u >= packs) continue;
            ACC v[VEC];
            held[u].widen(v);
#pragma unroll
            for (int j = 0; j < VEC; ++j) sum += v[j] * unit;
        }
        const ACC n = smaller(packs, KEEP) * VEC, middle = centred ? sum / n : (ACC)0;
#pragma unroll
        for (int u = 0; u < KEEP; ++u) {
            if (u >= packs) continue;
            ACC v[VEC];
            held[u].widen(v);
#pragma unroll
            for (int j = 0; j < VEC; ++j) more += (v[j] * unit - middle) * (v[j] * unit - middle);
        }
        const ACC delta = middle - mean, part = n / (count + n);
        m2 = count == 0 ? more : m2 + more + delta * delta * count * part;
        mean = count == 0 ? middle : mean + delta * part;
        count += n;
    }
};

// Deviations whose squares overflow ACC (in float from 1e19 on, in a long sum sooner) are squared in a unit in which they
// do not. No other row pays for that.
__device__ __forceinline__ ACC far_unit() { return sizeof(ACC) == 8 ? (ACC)0x1p-800 : (ACC)0x1p-96; }

// What a row is normalised with: 1 / sqrt(variance + eps), by IEEE square root and division: rsqrt would cost two bits.
struct Spread {
    ACC mean, rstd, m2;

    // Of a row of L elements, from its threads' own moments in a unit. All threads of the block come here.
    __device__ __forceinline__ Spread(const Team& own, const Moments& mine, ACC L, ACC eps, bool centred, ACC unit) {
        ACC sum[1] = {mine.count * mine.mean};
        own.sums(sum);
        mean = centred ? sum[0] / L : (ACC)0;
        const ACC off = mine.mean - mean;
        ACC square[1] = {mine.count > 0 ? mine.m2 + mine.count * off * off : (ACC)0};
        own.sums(square);
        m2 = square[0];
        rstd = unit / sqrt(m2 / L + eps * unit * unit);
        mean /= unit;
    }
};

// The same of each team's row; `each(unit)` are a thread's own moments.
template <typename Each>
__device__ __forceinline__ Spread spread_of(const Team& own, ACC L, ACC eps, bool centred, const Each& each) {
    const Spread near(own, each((ACC)1), L, eps, centred, 1);
    const bool far = !isfinite(near.m2);
    if (!__syncthreads_or(far)) return near;
    const Spread again(own, each(far_unit()), L, eps, centred, far_unit());
    return far ? again : near;
}
