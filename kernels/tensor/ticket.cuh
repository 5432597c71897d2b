// How the blocks that share a sum find out which of them is the last: by tickets, which are zeros again afterwards.
#pragma once
#include "../common.cuh"

struct Split {
    ACC* parts;  // (J, tiles, a tile's part)
    int* tickets;  // (tiles, 1 + rounds of the first kind)
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
