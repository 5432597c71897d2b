// A tile's sums in shared memory, as rows of floats, and rows in memory, 16 bytes at once.
#pragma once
#include "../tensor/precision.cuh"

static const int THREADS = BM * 2;  // a warpgroup has 64 rows
static const int PITCH = BN + 8;  // floats from a row's sums to the next: pairs meet 32 banks

struct __align__(16) Chunk { unsigned word[4]; };

__device__ __forceinline__ bool is_finite(float v) { return (__float_as_uint(v) & 0x7f800000u) != 0x7f800000u; }

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
