// A tile's sums in shared memory, as rows of floats, and rows in memory, 16 bytes at once.
#pragma once
#include "../tensor/precision.cuh"

static const int THREADS = BM * 2;  // a warpgroup has 64 rows
static const int PITCH = BN + 8;  // floats from a row's sums to the next: pairs meet 32 banks

static const int BESIDE = THREADS / 64;  // threads of a depth's row, where a stage of 64 depths lies across

struct __align__(16) Chunk { unsigned word[4]; };

// There the depth whose row a thread fills: the rows of eight lanes are so far apart that the swizzle keeps them from each
// other's banks.
__device__ __forceinline__ int own_depth() {
    const int i = threadIdx.x / BESIDE;
    return i / 8 * 8 + i % 8 * BESIDE % 8 + i % 8 * BESIDE / 8;
}

// Bit e: v[e] is no finite number. Then again(e) is.
template <typename Again> __device__ __forceinline__ void mend(float (&v)[EACH], const Again& again) {
    unsigned strange = 0;
#pragma unroll
    for (int e = 0; e < EACH; ++e) strange |= (unsigned)((__float_as_uint(v[e]) & 0x7f800000u) == 0x7f800000u) << e;
#pragma unroll 1
    for (int e = 0; strange >> e; ++e) {
        if (!(strange >> e & 1)) continue;
        const float exact = again(e);
#pragma unroll
        for (int k = 0; k < EACH; ++k) v[k] = k == e ? exact : v[k];
    }
}

// Every sum of the warpgroups, row by row.
__device__ __forceinline__ void keep_sums(const float (&sums)[BN / 2], float* kept) {
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    float* mine = kept + (warp * 16 + lane / 4) * PITCH + lane % 4 * 2;
#pragma unroll
    for (int i = 0; i < BN / 4; ++i) {
        *reinterpret_cast<float2*>(mine + i % 2 * 8 * PITCH + i / 2 * 8) = make_float2(sums[2 * i], sums[2 * i + 1]);
    }
    __syncthreads();
}

// EACH neighbours of a row's sums. With eight of them lanes 4 apart would meet on a bank: half of the lanes reads its second
// four first.
__device__ __forceinline__ void load_sums(const float* at, float (&v)[EACH]) {
    const int order = EACH == 8 ? threadIdx.x / 4 % 2 : 0;
    float4 four[EACH / 4];
#pragma unroll
    for (int i = 0; i < EACH / 4; ++i) four[i] = *reinterpret_cast<const float4*>(at + (i ^ order) * 4);
#pragma unroll
    for (int i = 0; i < EACH / 4; ++i) {
        const float4 found = EACH == 8 && order ? four[EACH / 4 - 1 - i] : four[i];
        v[i * 4] = found.x, v[i * 4 + 1] = found.y, v[i * 4 + 2] = found.z, v[i * 4 + 3] = found.w;
    }
}

__device__ __forceinline__ void store_each(T* to, const float (&v)[EACH]) {
    Chunk chunk;
#pragma unroll
    for (int i = 0; i < 4; ++i) {
#if PRECISION == BF16
        chunk.word[i] = pack_bf16(v[2 * i], v[2 * i + 1]);
#elif PRECISION == FP16
        chunk.word[i] = pack_fp16(v[2 * i], v[2 * i + 1]);
#else
        chunk.word[i] = __float_as_uint(v[i]);
#endif
    }
    *reinterpret_cast<uint4*>(to) = *reinterpret_cast<const uint4*>(&chunk);
}
