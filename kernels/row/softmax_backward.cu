/*
Softmax of rows, or its logarithm, backward, from its result.

math:     gx[c] = y[c] * (gy[c] - sum over c of gy*y), or `log`: gy[c] - exp(y[c]) * (sum over c of gy)
layout:   gy, y, gx (M/L,C,L): M rows, whose C elements lie L apart
threads:  row.cuh: a team of threads a row, or with ACROSS=1 VEC rows; eight loads in flight
shared:   (512*VEC if ACROSS else 16)*(4 if e < 8 else 8)
flops:    5*M*C
bytes:    3*e*M*C
requires: team a power of two up to 512, dividing the block; ACROSS=0: L = 1; VEC > 1 needs C % VEC = 0, or with ACROSS=1
          L % VEC = 0
numerics: sums in ACC, in a fixed order
*/
#include "scores.cuh"

extern "C" __global__ void __launch_bounds__(512, 1) softmax_backward(
    const T* __restrict__ gy, const T* __restrict__ y, T* __restrict__ gx, i64 M, int C, i64 L, int team, int log_of)
{
    // seek to the rows of this thread's team
    const Team own(team);
    const Scores line(own, M, C, L);
    const int last = own.last(line.packs), chunk = KEEP * own.size;

    // combine
    Held above[KEEP], made[KEEP];
    ACC sum[LINES] = {};
    for (int base = own.rank; base < line.packs; base += chunk) {
        own.fetch(gy + line.start, base, line.packs, above, line.step);
        own.fetch(y + line.start, base, line.packs, made, line.step);
#pragma unroll
        for (int u = 0; u < KEEP; ++u) {
            if (base + u * own.size >= line.packs) continue;
            ACC g[VEC], v[VEC];
            above[u].widen(g), made[u].widen(v);
#pragma unroll
            for (int j = 0; j < VEC; ++j) sum[line_of(j)] += log_of ? g[j] : g[j] * v[j];
        }
    }
    own.sums(sum);

    // write
    for (int base = last; base >= 0; base -= chunk) {
        if (base != last) {
            own.fetch(gy + line.start, base, line.packs, above, line.step);
            own.fetch(y + line.start, base, line.packs, made, line.step);
        }
#pragma unroll
        for (int u = 0; u < KEEP; ++u) {
            if (base + u * own.size >= line.packs) continue;
            ACC g[VEC], v[VEC];
            above[u].widen(g), made[u].widen(v);
#pragma unroll
            for (int j = 0; j < VEC; ++j) {
                const ACC all = sum[line_of(j)];
                v[j] = log_of ? g[j] - exp(v[j]) * all : v[j] * (g[j] - all);
            }
            store_channels<VEC>(gx + line.start + (base + u * own.size) * line.step, v);
        }
    }
}
