/*
Hits: how many rows have their label's score among the k largest.

math:     right = rows m whose label t is a class and not `ignore`, with fewer than k scores ahead of x[m,t]: larger ones,
          equal ones of lower classes, and NaN; one that is NaN itself has all ahead, or with nan_leads, as in an argmax,
          NaN of lower classes alone; counted = rows whose label is not `ignore`
layout:   x (M/L,C,L) row-major; labels (M); right, counted one number; parts (3,J), J = gridDim.x; state (5): see tally.cuh;
          fed: the serial number, where it is given
threads:  LANES threads a row; 256/LANES rows a block; the last block adds up the parts
shared:   256*20 + 1
flops:    3*M*C
bytes:    e*M*C + 8*M
requires: 256 threads a block; LANES 32 or 1; state's ticket 0, and no other launch on it at once
numerics: exact: counts below 2^53 in double
optional: fed
*/
#include "tally.cuh"

__device__ __forceinline__ bool is_ahead(ACC score, ACC own, bool is_lower, bool nan_leads) {
    if (nan_leads && own != own) return score != score && is_lower;
    return !(score <= own) || (score == own && is_lower);
}

extern "C" __global__ void __launch_bounds__(256, 4) hits(
    const T* x, const LABEL* labels, i64* right, i64* counted, double* parts, i64* state, int M, int C, int L, i64 ignore,
    int k, int nan_leads, i64 serial, i64 call, const i64* fed)
{
    // seek
    const int lane = threadIdx.x % LANES;
    const i64 m = thread_index() / LANES;
    Tally mine = {0, 0, none};
    if (m < M) {
        const T* row = x + (m / L) * C * L + m % L;
        const i64 t = class_of(labels[m]);
        const bool counts = t != ignore, real = t >= 0 && t < C;

        // combine
        int ahead = 0;
        if (real) {
            const ACC own = load(row + t * L);
            for (int c = lane; c < C; c += LANES) ahead += is_ahead(load(row + (i64)c * L), own, c < t, nan_leads);
        }
#pragma unroll
        for (int step = LANES / 2; step > 0; step /= 2) ahead += __shfl_xor_sync(0xffffffffu, ahead, step);
        if (lane == 0) mine = {(double)(counts && real && ahead < k), (double)counts, real || !counts ? none : (int)m};
    }

    // write
    if (!total(mine, parts, state)) return;
    *right = (i64)mine.loss, *counted = (i64)mine.weight;
    note(mine.wrong, state, labels, serial, call, fed);
}
