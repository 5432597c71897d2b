/*
Softmax of rows, or its logarithm, forward: the largest score and the sum of exponentials in one read of the row.

math:     peak = largest of x[c], sum = sum over c of exp(x[c] - peak); y[c] = exp(x[c] - peak) / sum, or `log`:
          x[c] - peak - log(sum); beside +inf what is less is -inf
layout:   x, y (M/L,C,L): M rows, whose C elements lie L apart
threads:  row.cuh: a team of threads a row, or with ACROSS=1 VEC rows; four loads in flight
shared:   (2*512*VEC if ACROSS else 32)*(4 if e < 8 else 8)
flops:    6*M*C
bytes:    2*e*M*C
requires: team a power of two up to 512, dividing the block; ACROSS=0: L = 1; VEC > 1 needs C % VEC = 0, or with ACROSS=1
          L % VEC = 0
numerics: a NaN is no largest score, and turns up in the sum; sums in ACC, of a thread chunk by chunk, those before scaled
          to a new largest score; over the team in a fixed order
*/
#include "scores.cuh"

extern "C" __global__ void __launch_bounds__(512, 1) softmax_forward(
    const T* __restrict__ x, T* __restrict__ y, i64 M, int C, i64 L, int team, int log_of)
{
    // seek to the rows of this thread's team
    const Team own(team);
    const Scores line(own, M, C, L);
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
            held[u].widen(v);
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
            held[u].widen(v);
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
    for (int k = 0; k < LINES; ++k) sum[k] = log_of ? log(sum[k]) : 1 / sum[k];

    // write
    for (int base = last; base >= 0; base -= chunk) {
        if (base != last) own.fetch(x + line.start, base, line.packs, held, line.step);
#pragma unroll
        for (int u = 0; u < KEEP; ++u) {
            if (base + u * own.size >= line.packs) continue;
            ACC v[VEC];
            held[u].widen(v);
#pragma unroll
            for (int j = 0; j < VEC; ++j) {
                const ACC off = below(v[j], top[line_of(j)]);
                v[j] = log_of ? off - sum[line_of(j)] : exp(off) * sum[line_of(j)];
            }
            store_channels<VEC>(y + line.start + (base + u * own.size) * line.step, v);
        }
    }
}
