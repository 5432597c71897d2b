// The parts of a split sum (tensor/ticket.cuh) as the threads of a tile hold them.
#pragma once
#include "../tensor/ticket.cuh"
#include "tile.cuh"

static const i64 SLOT = BM * BN + BM;  // a tile's part: its sums as the threads hold them, and a sum beside each row
static const int ACROSS = TN / 4, PACKS = TM * ACROSS;

// A thread's packs of sums lie THREADS packs apart, so that a warp moves whole lines. real(i, half): whether the result
// has an element there.
template <typename Real>
__device__ __forceinline__ void leave_part(ACC* slot, const ACC (&sums)[TM][TN], ACC beside, const Real& real) {
#pragma unroll
    for (int p = 0; p < PACKS; ++p) {
        if (!real(p / ACROSS, p % ACROSS)) continue;
        Pack<ACC> four;
#pragma unroll
        for (int j = 0; j < 4; ++j) four.item[j] = sums[p / ACROSS][p % ACROSS * 4 + j];
        store_pack(slot + (p * THREADS + threadIdx.x) * 4, four);
    }
    if (threadIdx.x < BM) slot[BM * BN + threadIdx.x] = beside;
}

template <typename Real>
__device__ __forceinline__ void add_parts(
    const ACC* slot, i64 apart, int count, ACC (&sums)[TM][TN], ACC& beside, const Real& real)
{
#pragma unroll
    for (int p = 0; p < TM * TN; ++p) sums[p / TN][p % TN] = 0;
    beside = 0;
#pragma unroll 1
    for (int j = 0; j < count; ++j, slot += apart) {
        Pack<ACC> four[PACKS];
#pragma unroll
        for (int p = 0; p < PACKS; ++p) {  // all of them on their way before the first is added
            four[p] = Pack<ACC>{};
            if (real(p / ACROSS, p % ACROSS)) four[p] = load_pack(slot + (p * THREADS + threadIdx.x) * 4);
        }
        if (threadIdx.x < BM) beside += slot[BM * BN + threadIdx.x];
#pragma unroll
        for (int p = 0; p < TM * TN; ++p) sums[p / TN][p % TN] += four[p / 4].item[p % 4];
    }
}

// Leaves this block's sums among the parts. True in the block that has been the last of all: its sums are the whole ones.
template <typename Real>
__device__ __forceinline__ bool join(const Split& o, ACC (&sums)[TM][TN], ACC& beside, const Real& real) {
    const i64 apart = o.tiles * SLOT;
    ACC* slots = o.parts + o.tile * SLOT;
    return join_rounds(
        o, [&](int part) { leave_part(slots + part * apart, sums, beside, real); },
        [&](int first, int step, int count) {
            add_parts(slots + first * apart, apart * step, count, sums, beside, real);
        });
}
