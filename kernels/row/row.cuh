// How a team of threads, a power of two of them, holds a row: pack i of the row is with thread i % size.
//
// Up to KEEP packs a thread, a chunk of the row, lie in registers at once. A row of one chunk is read once; a longer one
// chunk by chunk, first to last, and then a second time last to first, which begins with what is there.
//
// ACROSS=0: a row lies along memory, its packs are VEC neighbours of it, and a team are neighbouring threads.
// ACROSS=1: a row's elements lie `step` apart; a pack is one element of VEC neighbouring rows, which share a team, and the
//   block's teams are neighbours: thread t is of team t % count.
#pragma once
#include "held.cuh"

#ifndef KEEP
#define KEEP 4
#endif
#ifndef ACROSS
#define ACROSS 0
#endif
static const int LINES = ACROSS ? VEC : 1;  // rows of a team

// Which of them element j of a pack is of.
__device__ __forceinline__ int line_of(int j) { return ACROSS ? j : 0; }

// VEC neighbours of a parameter of each element.
__device__ __forceinline__ void load_wide(const ACC* p, ACC (&v)[VEC]) {
    if constexpr (VEC == 1) {
        v[0] = *p;
    } else {
#pragma unroll
        for (int j = 0; j < VEC; j += PackOf<ACC>::size) {
            const Pack<ACC> pack = load_pack(p + j);
#pragma unroll
            for (int i = 0; i < PackOf<ACC>::size; ++i) v[j + i] = pack.item[i];
        }
    }
}

// This thread's team of the block, and its place there.
struct Team {
    int size, rank, index, count;  // threads; which of them this is; which team of the block, of how many

    __device__ __forceinline__ Team(int size) : size(size), count(blockDim.x / size) {
        rank = ACROSS ? threadIdx.x / count : threadIdx.x & (size - 1);
        index = ACROSS ? threadIdx.x & (count - 1) : threadIdx.x / size;
    }

    // The first pack of this thread's last chunk of so many packs; negative where it has none.
    __device__ __forceinline__ int last(int packs) const {
        return rank < packs ? rank + (packs - 1 - rank) / (KEEP * size) * (KEEP * size) : -1;
    }

    // The chunk whose first pack of this thread is `base`.
    __device__ __forceinline__ void fetch(
        const T* row, int base, int packs, Held (&held)[KEEP], i64 step = VEC) const
    {
#pragma unroll
        for (int u = 0; u < KEEP; ++u)
            if (base + u * size < packs) held[u].fetch(row + (base + u * size) * step);
    }

    // What all threads of the team join to, the same in each of them; all threads of the block come here.
    template <int K, typename Join> __device__ __forceinline__ void over(ACC (&v)[K], const Join& join) const {
        if constexpr (ACROSS) {
            over_strides(v, join);
        } else {
            over_lanes(v, join);
        }
    }
    template <int K> __device__ __forceinline__ void sums(ACC (&v)[K]) const {
        over(v, [](ACC a, ACC b) { return a + b; });
    }

  private:
    // A tree over ranks.
    template <int K, typename Join> __device__ __forceinline__ void over_strides(ACC (&v)[K], const Join& join) const {
        __shared__ ACC room[K][512];
        __syncthreads();  // who came here before has read
#pragma unroll
        for (int k = 0; k < K; ++k) room[k][threadIdx.x] = v[k];
#pragma unroll 1
        for (int half = size / 2; half > 0; half /= 2) {
            __syncthreads();
            if (rank >= half) continue;
#pragma unroll
            for (int k = 0; k < K; ++k) {
                v[k] = join(v[k], room[k][threadIdx.x + half * count]);
                room[k][threadIdx.x] = v[k];
            }
        }
        __syncthreads();
#pragma unroll
        for (int k = 0; k < K; ++k) v[k] = room[k][index];
    }

    // A butterfly over lanes, another one over warps: an order of its own for each size.
    template <int K, typename Join> __device__ __forceinline__ void over_lanes(ACC (&v)[K], const Join& join) const {
        __shared__ ACC room[K][16];
#pragma unroll 1
        for (int step = smaller(size, 32) / 2; step > 0; step /= 2) {
#pragma unroll
            for (int k = 0; k < K; ++k) v[k] = join(v[k], __shfl_xor_sync(0xffffffffu, v[k], step));
        }
        if (size <= 32) return;
        const int warps = size / 32, warp = threadIdx.x / 32, lane = threadIdx.x % 32;
        __syncthreads();  // who came here before has read
        if (lane == 0) {
#pragma unroll
            for (int k = 0; k < K; ++k) room[k][warp] = v[k];
        }
        __syncthreads();
#pragma unroll
        for (int k = 0; k < K; ++k) v[k] = room[k][warp / warps * warps + lane % warps];
#pragma unroll 1
        for (int step = warps / 2; step > 0; step /= 2) {
#pragma unroll
            for (int k = 0; k < K; ++k) v[k] = join(v[k], __shfl_xor_sync(0xffffffffu, v[k], step));
        }
    }
};
