// How the last block of a column of the grid joins what all J blocks of that column found, in the same launch.
//
// Each sum has one order, whoever is last: 32 lanes, of which lane l takes parts l, l + 32, ..., then a fixed tree.
#pragma once
#include "../ptx/barrier.cuh"
#include "../tensor/ticket.cuh"
#include "walk.cuh"

// The sum of term(i, j) over the parts j of each of the block's channels i, in room[i]; room has 8 places a channel.
// A thread takes four neighbouring lanes of a channel, so that its loads do not wait for each other.
template <typename Term>
__device__ __forceinline__ void over_parts(int channels, int J, ACC* room, const Term& term) {
#pragma unroll 1
    for (int item = threadIdx.x; item < 8 * channels; item += THREADS) {
        const int i = item % channels;
        ACC lane[4] = {};
#pragma unroll 1
        for (int j = item / channels * 4; j < J; j += 32) {
#pragma unroll
            for (int l = 0; l < 4; ++l)
                if (j + l < J) lane[l] += term(i, j + l);
        }
        room[item] = (lane[0] + lane[1]) + (lane[2] + lane[3]);
    }
    __syncthreads();
#pragma unroll 1
    for (int i = threadIdx.x; i < channels; i += THREADS) {
        ACC sum = 0;
#pragma unroll 1
        for (int eighth = 0; eighth < 8; ++eighth) sum += room[eighth * channels + i];
        room[i] = sum;
    }
    __syncthreads();
}

// All blocks of a cooperative launch meet: what any did before is seen by all after. Both tickets are 0 again once the last
// block has gone on.
__device__ __forceinline__ void meet(int* tickets) {
    grid_barrier(reinterpret_cast<unsigned*>(tickets));
    if (threadIdx.x == 0 && atomicAdd(tickets + 1, 1) == (int)(gridDim.x * gridDim.y) - 1)
        atomicExch(tickets, 0), atomicExch(tickets + 1, 0);
}
