// A block's part of a group normalisation: some groups of one sample, whose channels its teams take in turn.
//
// A channel is a row of row.cuh: ACROSS=0 in memory (N,C,L), ACROSS=1 in memory (N,L,C), VEC channels a team.
#pragma once
#include "moments.cuh"

struct Groups {
    int N, C, L, G;  // samples, channels, positions, groups
};

struct Part {
    i64 n;
    int first, width, each;  // its channels: the first, how many; of a group
    int packs, chunk, stride;  // of a channel, of a thread's chunk of it; channels that the block takes at once
    i64 start, step;  // of the sample in memory; from a pack to the next

    // `bundle` groups a block.
    __device__ __forceinline__ Part(const Groups& g, const Team& own, int bundle) {
        const int parts = ceil_div(g.G, bundle), part = blockIdx.x % parts;
        n = blockIdx.x / parts, each = g.C / g.G;
        first = part * bundle * each, width = smaller(bundle, g.G - part * bundle) * each;
        packs = ACROSS ? g.L : g.L / VEC, chunk = KEEP * own.size, stride = own.count * LINES;
        start = n * g.C * g.L, step = ACROSS ? g.C : VEC;
        L = g.L;
    }

    // What the block's first channel of a turn is for this thread's team.
    __device__ __forceinline__ int channel(int turn, const Team& own) const { return turn + own.index * LINES; }
    __device__ __forceinline__ int packs_of(int c) const { return c < width ? packs : 0; }
    __device__ __forceinline__ i64 row(int c) const {
        return c >= width ? start : start + (ACROSS ? first + c : (i64)(first + c) * L);
    }
    __device__ __forceinline__ int last_turn() const { return (width - 1) / stride * stride; }
    __device__ __forceinline__ int groups() const { return width / each; }

  private:
    int L;
};

// The sum of a warp's lanes, in all of them.
__device__ __forceinline__ ACC over_warp(ACC v) {
#pragma unroll
    for (int step = 16; step > 0; step /= 2) v += __shfl_xor_sync(0xffffffffu, v, step);
    return v;
}
