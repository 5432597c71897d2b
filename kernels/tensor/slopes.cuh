// Two sums of each channel over a tile of a convolution's gx and all tiles of the channel, where its input was batch norm's
// result: of g, what of gx ReLU let through, and of g * (z - mean). They are all that batch norm's backward pass wants to know
// of gx before it is applied, and read here while the tile is still in the L2 cache.
#pragma once
#include "columns.cuh"

// Of batch norm: its input, its result where a ReLU followed or null, the batch's statistics, and where its gradients go.
struct Normed {
    const T *z, *y;
    const ACC *mean, *rstd;
    ACC *ggamma, *gbeta;
};

// g and g * (z - mean) of this thread's channels, which are those of pack threadIdx.x % COLUMN_PACKS. start(row): as
// store_tile has it; out: where rows of z and y lie as from it on.
template <typename Start>
__device__ __forceinline__ Found sum_slopes(const Start& start, const T* out, int column, int columns, const Normed& n) {
    Found found = {};
    const int mine = column + threadIdx.x % COLUMN_PACKS * EACH, step = THREADS / COLUMN_PACKS;
    if (mine >= columns) return found;
    ACC centre[EACH];
#pragma unroll
    for (int e = 0; e < EACH; ++e) centre[e] = n.mean[mine + e];
#pragma unroll 1
    for (int row = threadIdx.x / COLUMN_PACKS; row < BM; row += IN_FLIGHT * step) {
        Pack<T> above[IN_FLIGHT], below[IN_FLIGHT], passed[IN_FLIGHT];
#pragma unroll
        for (int u = 0; u < IN_FLIGHT; ++u) {
            const T* from = row + u * step < BM ? start(row + u * step) : nullptr;
            above[u] = Pack<T>{};
            if (!from) continue;
            const i64 at = from - out + mine;
            above[u] = load_pack(from + mine), below[u] = load_pack(n.z + at);
            if (n.y) passed[u] = load_pack(n.y + at);
            found.count += 1;
        }
#pragma unroll
        for (int u = 0; u < IN_FLIGHT; ++u) {
            if (row + u * step >= BM || !start(row + u * step)) continue;
#pragma unroll
            for (int e = 0; e < EACH; ++e) {
                const ACC g = !n.y || load(passed[u].item + e) > 0 ? load(above[u].item + e) : (ACC)0;
                found.first[e] += g;
                found.second[e] += g * (load(below[u].item + e) - centre[e]);
            }
        }
    }
    return found;
}

// From a tile of gx that has been stored to the gradients of its channels' gamma and beta. n's arrays begin at the group.
template <typename Start>
__device__ __forceinline__ void give_slopes(
    const Start& start, const T* out, int column, char* area, const Strip& o, const Normed& n)
{
    __syncthreads();  // the tile has been stored by all threads
    Moments all;
    const Found found = sum_slopes(start, out, column, column + o.columns, n);
    if (!join_tiles(found, area, o, added, all)) return;
    if (threadIdx.x < o.columns && threadIdx.x < BN) {
        const int c = column + threadIdx.x;
        n.gbeta[c] = all.mean, n.ggamma[c] = all.m2 * n.rstd[c];
    }
}
