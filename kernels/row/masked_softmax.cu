/*
Softmax of attention's scores, scaled and masked on the way: what a row of queries gives each key.

math:     s[c] = scale * x[c] + mask[c], -inf where a bool mask is false, and with causal where c > m % L;
          y[c] = exp(s[c] - peak) / sum over c of exp(s[c] - peak), peak the largest s; 0 in a row of nothing but -inf
layout:   x, y (M,C), of M = N*G*L rows (images, heads, queries) row-major; mask with any strides: booleans in bytes, or ACC
threads:  row.cuh: a team of threads a row; four loads in flight
shared:   32*(4 if e < 8 else 8)
flops:    8*M*C
bytes:    2*e*M*C
requires: team a power of two up to 512, dividing the block; VEC > 1 needs C % VEC = 0
numerics: a NaN is no largest score, and turns up in the sum; sums in ACC, of a thread chunk by chunk, those before scaled
          to a new largest score; over the team in a fixed order
optional: mask
*/
#include "softmax.cuh"

// The mask's elements from one image, head, query or key to the next, 0 where it is repeated.
struct Mask {
    int G, L, causal, image, head, query, key;
};

extern "C" __global__ void __launch_bounds__(512, 1) masked_softmax(
    const T* __restrict__ x, const MASK* __restrict__ mask, T* __restrict__ y, i64 M, int C, Mask of, int team, ACC scale)
{
    // seek to the row of this thread's team
    const Team own(team);
    const Scores line(own, M, C, 1);
    const i64 row = line.start / C, head = row / of.L;
    const int query = row - head * of.L, seen = of.causal ? query + 1 : C;
    const MASK* at = mask + head / of.G * of.image + head % of.G * of.head + (i64)query * of.query;

    softmax<true>(own, line, x, y, false, [&](int pack, ACC (&v)[VEC]) {
#pragma unroll
        for (int j = 0; j < VEC; ++j) {
            const int c = pack * VEC + j;
            v[j] = times(v[j], scale);
            if constexpr (sizeof(MASK) == 1) {
                if (mask && !at[(i64)c * of.key]) v[j] = least();
            } else {
                if (mask) v[j] += at[(i64)c * of.key];
            }
            if (c >= seen) v[j] = least();
        }
    });
}
