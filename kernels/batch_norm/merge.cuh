// How a block of 256 threads joins the J parts of 8 neighbouring channels, so that it reads whole sectors of 32 bytes:
// thread (l, i) takes parts l, l + 32, ... of channel i. Each sum has one order: the lane's parts, then a fixed tree.
#pragma once
#include "../common.cuh"

struct Lane {
    int c, first;  // the channel and the first part
    bool real;     // whether there is such a channel

    __device__ __forceinline__ explicit Lane(int C)
        : c(blockIdx.x * 8 + threadIdx.x % 8), first(threadIdx.x / 8), real(c < C) {}

    __device__ __forceinline__ bool writes() const { return real && first == 0; }
};

// The sum of v over the 32 lanes of each channel, given to all of them. `room` is used once.
__device__ __forceinline__ ACC over_lanes(ACC v, ACC (&room)[8][8]) {
    const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    v += __shfl_xor_sync(0xffffffffu, v, 8);
    v += __shfl_xor_sync(0xffffffffu, v, 16);
    if (lane < 8) room[warp][lane] = v;
    __syncthreads();
    ACC sum = 0;
#pragma unroll
    for (int i = 0; i < 8; ++i) sum += room[i][lane % 8];
    return sum;
}
