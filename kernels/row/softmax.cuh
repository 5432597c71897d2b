// Softmax of a team's rows, or its logarithm: the largest score and the sum of exponentials in one read of the row.
#pragma once
#include "scores.cuh"

// Scores are what `changed(pack, v)` makes of the VEC elements of a row's pack. ZEROS: a row of nothing but -inf gives
// zeros, not NaN. All threads of the block come here.
template <bool ZEROS, typename Changed> __device__ __forceinline__ void softmax(
    const Team& own, const Scores& line, const T* __restrict__ x, T* __restrict__ y, int log_of, const Changed& changed)
{
    const int last = own.last(line.packs), chunk = KEEP * own.size;

    // combine
    Held held[KEEP];
    ACC peak[LINES], top[LINES], sum[LINES] = {};
#pragma unroll
    for (int k = 0; k < LINES; ++k) peak[k] = least();
    for (int base = own.rank; base < line.packs; base += chunk) {
        own.fetch(x + line.start, base, line.packs, held, line.step);
#pragma unroll
        for (int k = 0; k < LINES; ++k) top[k] = peak[k];
#pragma unroll
        for (int u = 0; u < KEEP; ++u) {
            if (base + u * own.size >= line.packs) continue;
            ACC v[VEC];
            held[u].widen(v), changed(base + u * own.size, v);
#pragma unroll
            for (int j = 0; j < VEC; ++j) {
                ACC& most = top[line_of(j)];
                most = v[j] > most ? v[j] : most;
            }
        }
#pragma unroll
        for (int k = 0; k < LINES; ++k) sum[k] *= exp(below(peak[k], top[k])), peak[k] = top[k];
#pragma unroll
        for (int u = 0; u < KEEP; ++u) {
            if (base + u * own.size >= line.packs) continue;
            ACC v[VEC];
            held[u].widen(v), changed(base + u * own.size, v);
#pragma unroll
            for (int j = 0; j < VEC; ++j) sum[line_of(j)] += exp(below(v[j], peak[line_of(j)]));
        }
    }
#pragma unroll
    for (int k = 0; k < LINES; ++k) top[k] = peak[k];
    own.over(top, [](ACC a, ACC b) { return b > a ? b : a; });
#pragma unroll
    for (int k = 0; k < LINES; ++k) sum[k] *= exp(below(peak[k], top[k]));
    own.sums(sum);
#pragma unroll
    for (int k = 0; k < LINES; ++k) sum[k] = log_of ? log(sum[k]) : ZEROS && sum[k] == 0 ? (ACC)0 : 1 / sum[k];

    // write
    for (int base = last; base >= 0; base -= chunk) {
        if (base != last) own.fetch(x + line.start, base, line.packs, held, line.step);
#pragma unroll
        for (int u = 0; u < KEEP; ++u) {
            if (base + u * own.size >= line.packs) continue;
            ACC v[VEC];
            held[u].widen(v), changed(base + u * own.size, v);
#pragma unroll
            for (int j = 0; j < VEC; ++j) {
                const ACC off = below(v[j], top[line_of(j)]);
                v[j] = log_of ? off - sum[line_of(j)] : exp(off) * sum[line_of(j)];
            }
            store_channels<VEC>(y + line.start + (base + u * own.size) * line.step, v);
        }
    }
}
