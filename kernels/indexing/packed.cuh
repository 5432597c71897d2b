// What some threads of a block have, gathered in their order.
#pragma once
#include "../common.cuh"

#define THREADS 256
static const int WARPS = THREADS / 32;

// Of the block's threads those that have one, packed to the front in order: this one's place, and how many there are.
// Between two calls is a barrier, behind which all have read `met`.
__device__ __forceinline__ int packed(bool mine, int& count) {
    __shared__ int met[WARPS];
    const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    const unsigned all = __ballot_sync(0xffffffffu, mine);
    if (lane == 0) met[warp] = __popc(all);
    __syncthreads();
    int place = __popc(all & ((1u << lane) - 1));
    count = 0;
    for (int w = 0; w < WARPS; ++w) {
        if (w < warp) place += met[w];
        count += met[w];
    }
    return place;
}
