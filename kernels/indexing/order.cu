/*
The numbers of an index sorted by counting, alike ones in the order in which they stand: where a row's gradients come from.

math:     starts[k] = how many of index are below k; order[starts[k]] .. order[starts[k+1]-1] = the m with index[m] = k, rising;
          a number from -K to -1 counts from the end, and others outside of 0 .. K-1 are left out
layout:   index and order (M), starts (K+1)
threads:  a block owns 256 rows, a thread one of them. 256 numbers at a time those of its rows are gathered in shared memory,
          where each thread looks for its own: first to count them, then to write them
shared:   256*20 + 32
flops:    2*M
bytes:    2*I*M + 8*M + 8*K
requires: 256 threads a block; K < 2^31
numerics: integers
*/
#include "packed.cuh"

// The sum over the threads before this one, and over all.
__device__ __forceinline__ i64 sum_before(i64 mine, i64& all) {
    __shared__ i64 room[THREADS];
    __syncthreads();
    room[threadIdx.x] = mine;
    __syncthreads();
    i64 before = 0;
    all = 0;
    for (int t = 0; t < THREADS; ++t) {
        if (t < (int)threadIdx.x) before += room[t];
        all += room[t];
    }
    return before;
}

extern "C" __global__ void __launch_bounds__(256) order(const INDEX* index, i64* starts, i64* order, i64 M, i64 K)
{
    __shared__ int rows[THREADS];
    __shared__ i64 places[THREADS];
    const int me = threadIdx.x;
    const i64 first = (i64)blockIdx.x * THREADS, own = first + me;
    i64 count = 0, below = 0, at = 0;
    for (int pass = 0; pass < 2; ++pass) {
        for (i64 begin = 0; begin < M; begin += THREADS) {
            // gather
            const i64 m = begin + me;
            i64 number = m < M ? (i64)index[m] : K;
            if (number < 0 && number >= -K) number += K;
            below += pass == 0 && number >= 0 && number < first;
            const bool mine = number >= first && number < first + THREADS && number < K;
            if (!__syncthreads_or(mine)) continue;
            int met;
            const int place = packed(mine, met);
            if (mine) rows[place] = (int)(number - first), places[place] = m;
            __syncthreads();

            // count, or write
            for (int i = 0; i < met; ++i) {
                if (rows[i] != me) continue;
                if (pass == 0) ++count;
                else order[at++] = places[i];
            }
        }
        if (pass) return;

        // where this row's numbers begin
        i64 all, others;
        sum_before(below, all);
        at = all + sum_before(count, others);
        if (own < K) starts[own + 1] = at + count;
        if (own == 0) starts[0] = 0;
    }
}
