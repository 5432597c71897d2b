// Mean and m2 of each channel of a convolution's result, of the numbers as they are stored, which each block reads while they
// are still in the cache: what batch norm asks of it, which then does not read it from memory for that.
#pragma once
#include "columns.cuh"

// The moments of this thread's channels, of the tile that has been stored (Welford). start(row): where row `row` of its group begins,
// or null.
template <typename Start> __device__ __forceinline__ Found see_tile(const Start& start, int column, int columns) {
    Found found = {};
    const int mine = column + threadIdx.x % COLUMN_PACKS * EACH, step = THREADS / COLUMN_PACKS;
    if (mine >= columns) return found;
#pragma unroll 1
    for (int row = threadIdx.x / COLUMN_PACKS; row < BM; row += IN_FLIGHT * step) {
        Pack<T> pack[IN_FLIGHT];
        bool real[IN_FLIGHT];
#pragma unroll
        for (int u = 0; u < IN_FLIGHT; ++u) {
            const T* from = row + u * step < BM ? start(row + u * step) : nullptr;
            if ((real[u] = from != nullptr)) pack[u] = load_pack(from + mine);
        }
#pragma unroll
        for (int u = 0; u < IN_FLIGHT; ++u) {
            if (!real[u]) continue;
            found.count += 1;
            const ACC part = 1 / found.count;
#pragma unroll
            for (int e = 0; e < EACH; ++e) {
                const ACC v = load(pack[u].item + e), delta = v - found.first[e];
                found.first[e] += delta * part;
                found.second[e] += delta * (v - found.first[e]);
            }
        }
    }
    return found;
}

// Where the moments go: to these, and running statistics towards them.
struct Moving {
    ACC *mean, *rstd, *running_mean, *running_var;
    i64* batches;
    int *ticket, strips;  // of the blocks that are the last of a strip, and how many these are
    ACC eps;
    double momentum, ratio;
};

// The sum of squared deviations of a column in far_unit(): what m2 is where it overflowed. For all threads.
__device__ __forceinline__ ACC far_column(const T* y, char* area, const Strip& o, int column, ACC mean) {
    ACC *room = reinterpret_cast<ACC*>(area), sum = far_squares(y, {1, o.K, o.M}, o.column + column, mean, threadIdx.x, THREADS);
    room[threadIdx.x] = sum;
    for (int half = THREADS / 2; half > 0; half /= 2) {
        __syncthreads();
        if (threadIdx.x < half) room[threadIdx.x] += room[threadIdx.x + half];
    }
    __syncthreads();
    sum = room[0];
    __syncthreads();
    return sum;
}

// From a tile of y that has been stored, columns from `column` on of its group, to the moments of its channels.
template <typename Start>
__device__ __forceinline__ void move_statistics(
    const Start& start, int column, char* area, const T* y, const Strip& o, const Moving& to)
{
    __syncthreads();  // all threads have stored
    Moments all;
    if (!join_tiles(see_tile(start, column, column + o.columns), area, o, merged, all)) return;
    const int me = threadIdx.x;
    const bool mine = me < o.columns && me < BN;
    const ACC M = o.M;
    ACC squares = 0;
    if (__syncthreads_or(mine && overflowed(all.mean, all.m2))) {
        ACC* means = reinterpret_cast<ACC*>(area) + THREADS;  // of columns to look at again; NaN where there is none
        if (me < BN) means[me] = mine && overflowed(all.mean, all.m2) ? all.mean : __uint_as_float(0x7fffffffu);
        __syncthreads();
        for (int column = 0; column < BN; ++column) {
            const ACC mean = means[column];
            if (mean != mean) continue;
            const ACC found = far_column(y, area, o, column, mean);
            if (me == column) squares = found;
        }
    }
    const Factors factors(to.momentum, to.ratio, to.batches);
    if (mine) {
        const Spread found = overflowed(all.mean, all.m2) ? Spread::far(M, squares) : Spread(M, all.m2, to.eps);
        write_moments(o.column + me, all.mean, found, factors, to.mean, to.rstd, to.running_mean, to.running_var);
    }
    if (to.batches && drew_last(to.ticket, to.strips) && me == 0) ++*to.batches;
}
