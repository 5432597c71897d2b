// Two numbers of each column of a tile, joined over all tiles of the column: mean and m2 (moments.cuh), or two sums
// (slopes.cuh).
//
// A thread has EACH columns of the tile; a column's threads are joined as a tree. A tile leaves its part; of `fan` tiles below
// each other the last block joins their parts, and of these groups the last one all of them, both in the order of the tiles:
// no result depends on which block is last.
#pragma once
#define NHWC 1
#include "../batch_norm/far.cuh"
#include "ticket.cuh"

static const int COLUMN_PACKS = BN / EACH;  // threads of a row
static const int SLICES = THREADS / BN;     // threads of a column, where parts are joined
static const int IN_FLIGHT = 4;  // packs of a tile, or parts, that are on their way before the first is looked at
static_assert(THREADS % COLUMN_PACKS == 0 && THREADS % BN == 0, "a thread keeps its columns");

// What a thread has found of its EACH columns: in how many rows, and the two numbers.
struct Found {
    ACC count, first[EACH], second[EACH];
};

// A block's tile among those below each other.
struct Strip {
    ACC* parts;    // (2, J, K), of each tile
    int* tickets;  // of each strip one a group of `fan` tiles, and one
    int fan, J, K, M;     // J tiles of M rows in all
    int tile, strip;      // this block's, counted downwards, and across
    int column, columns;  // its first channel, and how many are real
};

__device__ __forceinline__ Moments merged(const Moments& a, const Moments& b) { return a.count == 0 ? b : merge(a, b); }
__device__ __forceinline__ Moments added(const Moments& a, const Moments& b) {
    return {a.count + b.count, a.mean + b.mean, a.m2 + b.m2};
}

// What threads have found, in shared memory: THREADS of each number, one count for all columns.
struct Room {
    ACC *count, *first, *second;
    __device__ __forceinline__ Room(char* area, int e)
        : count(reinterpret_cast<ACC*>(area)), first(count + (1 + 2 * e) * THREADS), second(first + THREADS) {}
    __device__ __forceinline__ Moments at(int i) const { return {count[i], first[i], second[i]}; }
    __device__ __forceinline__ void keep(const Moments& all) const {
        first[threadIdx.x] = all.mean, second[threadIdx.x] = all.m2;
    }
};

// Leaves this tile's numbers among the parts. area: (2 EACH + 1) THREADS sums.
template <typename Join>
__device__ __forceinline__ void leave_tile(const Found& found, char* area, const Strip& o, const Join& join) {
    const int me = threadIdx.x;
    __syncthreads();  // what the area held before has been read
    Room(area, 0).count[me] = found.count;
#pragma unroll
    for (int e = 0; e < EACH; ++e) Room(area, e).keep({found.count, found.first[e], found.second[e]});
    for (int half = THREADS / 2; half >= COLUMN_PACKS; half /= 2) {
        __syncthreads();
        if (me >= half) continue;
        Moments both;
#pragma unroll
        for (int e = 0; e < EACH; ++e) {
            both = join(Room(area, e).at(me), Room(area, e).at(me + half));
            Room(area, e).keep(both);
        }
        Room(area, 0).count[me] = both.count;
    }
    if (me >= COLUMN_PACKS || me * EACH >= o.columns) return;
    ACC* out = o.parts + (i64)o.tile * o.K + o.column + me * EACH;
#pragma unroll
    for (int e = 0; e < EACH; ++e) out[e] = Room(area, e).first[me], out[e + (i64)o.J * o.K] = Room(area, e).second[me];
}

// Column threadIdx.x of `count` parts, `step` tiles each, from tile `from` on. For the first BN threads.
template <typename Join>
__device__ __forceinline__ Moments join_parts(char* area, const Strip& o, int from, int step, int count, const Join& join) {
    const int column = threadIdx.x % BN;
    const ACC* parts = o.parts + o.column + column;
    Moments all = {};
    for (int i = column < o.columns ? threadIdx.x / BN : count; i < count; i += IN_FLIGHT * SLICES) {
        Moments part[IN_FLIGHT];
#pragma unroll
        for (int u = 0; u < IN_FLIGHT; ++u) {
            const int tile = from + (i + u * SLICES) * step;
            part[u] = Moments{};
            if (i + u * SLICES >= count) continue;
            const ACC rows = smaller((i64)step * BM, o.M - (i64)tile * BM);
            part[u] = {rows, parts[(i64)tile * o.K], parts[((i64)o.J + tile) * o.K]};
        }
#pragma unroll
        for (int u = 0; u < IN_FLIGHT; ++u) all = join(all, part[u]);
    }
    const Room room(area, 0);
    __syncthreads();  // the area's numbers have been read
    room.count[threadIdx.x] = all.count, room.keep(all);
    for (int half = THREADS / 2; half >= BN; half /= 2) {
        __syncthreads();
        if (threadIdx.x >= half) continue;
        all = join(all, room.at(threadIdx.x + half));
        room.count[threadIdx.x] = all.count, room.keep(all);
    }
    return all;
}

// From what the threads of a tile have found to the whole of column threadIdx.x, in the block that is the last of all: true.
template <typename Join>
__device__ __forceinline__ bool join_tiles(
    const Found& found, char* area, const Strip& o, const Join& join, Moments& all)
{
    const int rounds = ceil_div(o.J, o.fan), round = o.tile / o.fan, first = round * o.fan;
    int* tickets = o.tickets + o.strip * (rounds + 1);
    leave_tile(found, area, o, join);
    const int count = smaller(o.fan, o.J - first);
    if (!drew_last(tickets + round, count)) return false;
    all = join_parts(area, o, first, 1, count, join);
    if (rounds == 1) return true;
    if (threadIdx.x < BN && threadIdx.x < o.columns) {
        ACC* out = o.parts + (i64)first * o.K + o.column + threadIdx.x;
        out[0] = all.mean, out[(i64)o.J * o.K] = all.m2;
    }
    if (!drew_last(tickets + rounds, rounds)) return false;
    all = join_parts(area, o, 0, o.fan, rounds, join);
    return true;
}
