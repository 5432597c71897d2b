// How a sum that was split among J blocks ends: each leaves its part in memory, and the last to come adds them, in order. Which
// of them is the last tickets tell, which are zeros again afterwards.
#pragma once
#include "../common.cuh"

struct Split {
    ACC* parts;  // (J, tiles, a tile's part)
    int* tickets;  // (tiles, rounds of `fan` parts, and one)
    int J, fan, tiles, tile, part;  // the last two: this block's
};

// Whether this block is the last of `count` that draw the ticket, which is then 0 again. The last sees what all wrote.
//
// Each thread's fence orders its own writes before the barrier, the barrier orders all of them before the draw, which one
// thread makes; the last one's fence orders the draws before it ahead of what its block reads, which the second barrier
// keeps behind. Without the first barrier a thread's part could follow its block's draw. The emulator would show that
// only where blocks take turns inside this function: one block's part is whole before the next begins.
__device__ __forceinline__ bool drew_last(int* ticket, int count) {
    __threadfence();
    __syncthreads();
    bool last = false;
    if (threadIdx.x == 0) {
        last = atomicInc(reinterpret_cast<unsigned*>(ticket), count - 1) == count - 1;
        __threadfence();
    }
    return __syncthreads_or(last);
}

// There are two rounds, `fan` neighbouring parts and then their sums, since one block alone would read J parts while the others
// idle: with a fan of about the root of J a block reads 2 * fan. leave(part) writes this block's sums as that part; after
// add(first, step, count) they are the sum of `count` parts, from `first` on in these steps. True in the block that has been the
// last of all: its sums are the whole ones.
template <typename Leave, typename Add>
__device__ __forceinline__ bool join_rounds(const Split& o, const Leave& leave, const Add& add) {
    if (o.J == 1) return true;
    const int rounds = ceil_div(o.J, o.fan), round = o.part / o.fan, first = round * o.fan;
    int* tickets = o.tickets + o.tile * (rounds + 1);
    leave(o.part);
    const int count = smaller(o.fan, o.J - first);
    if (!drew_last(tickets + round, count)) return false;
    add(first, 1, count);
    if (rounds == 1) return true;
    leave(first);
    if (!drew_last(tickets + rounds, rounds)) return false;
    add(0, o.fan, rounds);
    return true;
}
