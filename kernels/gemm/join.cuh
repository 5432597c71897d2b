// What the products whose depth is split share: the block that draws a tile's last ticket adds its parts, part 0 first.
#pragma once
#include "geometry.cuh"

// Four neighbouring sums; p is a multiple of their size.
__device__ __forceinline__ void load_four(const ACC* p, ACC* v) {
    const int size = PackOf<ACC>::size;
#pragma unroll
    for (int i = 0; i < 4; i += size) {
        const Pack<ACC> pack = load_pack(p + i);
#pragma unroll
        for (int j = 0; j < size; ++j) v[i + j] = pack.item[j];
    }
}

__device__ __forceinline__ void store_four(ACC* p, const ACC* v) {
    const int size = PackOf<ACC>::size;
#pragma unroll
    for (int i = 0; i < 4; i += size) {
        Pack<ACC> pack;
#pragma unroll
        for (int j = 0; j < size; ++j) pack.item[j] = v[i + j];
        store_pack(p + i, pack);
    }
}

// Whether this block, whose part of a tile is in memory, is the last of so many. It is what tensor/ticket.cuh's drew_last is; with
// that one ptxas spends a register more, and on sm_80 2 % more instructions in the main loop of 128x128 tiles of 16 bits.
__device__ __forceinline__ bool is_last(int* ticket, int count) {
    __shared__ bool last;
    __threadfence();
    __syncthreads();  // all have written
    if (threadIdx.x == 0) {
        last = atomicAdd(ticket, 1) == count - 1;
        if (last) *ticket = 0;  // for the next launch
        __threadfence();
    }
    __syncthreads();
    return last;
}
