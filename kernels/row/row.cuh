// How a team of threads, a power of two of them, holds a row: pack i of the row is with thread i % size.
//
// Up to KEEP packs a thread, a chunk of the row, lie in registers at once. A row of one chunk is read once; a longer one
// chunk by chunk, first to last, and then a second time last to first, which begins with what is there.
#pragma once
#include "../common.cuh"

#ifndef KEEP
#define KEEP 4
#endif

// A pack as it lies in memory: fetched long before it is looked at, and until then no larger than that.
struct __align__(VEC == 1 ? sizeof(T) : 16) Held {
    T item[VEC];

    __device__ __forceinline__ void fetch(const T* p) {
        if constexpr (VEC == 1) {
            item[0] = *p;
        } else {
            *reinterpret_cast<uint4*>(this) = *reinterpret_cast<const uint4*>(p);
        }
    }
    __device__ __forceinline__ void widen(ACC (&v)[VEC]) const {
#pragma unroll
        for (int j = 0; j < VEC; ++j) v[j] = load(&item[j]);
    }
};

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

    __device__ __forceinline__ Team(int size)
        : size(size), rank(threadIdx.x & (size - 1)), index(threadIdx.x / size), count(blockDim.x / size) {}

    // The first pack of this thread's last chunk of so many packs; negative where it has none.
    __device__ __forceinline__ int last(int packs) const {
        return rank < packs ? rank + (packs - 1 - rank) / (KEEP * size) * (KEEP * size) : -1;
    }

    // The chunk whose first pack of this thread is `base`.
    __device__ __forceinline__ void fetch(const T* row, int base, int packs, Held (&held)[KEEP]) const {
#pragma unroll
        for (int u = 0; u < KEEP; ++u)
            if (base + u * size < packs) held[u].fetch(row + (i64)(base + u * size) * VEC);
    }

    // What all threads of the team join to, the same in each of them; all threads of the block come here. A butterfly
    // over lanes, another one over warps: an order of its own for each size.
    template <int K, typename Join> __device__ __forceinline__ void over(ACC (&v)[K], const Join& join) const {
        __shared__ ACC room[K][32];
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
    template <int K> __device__ __forceinline__ void sums(ACC (&v)[K]) const {
        over(v, [](ACC a, ACC b) { return a + b; });
    }
};
