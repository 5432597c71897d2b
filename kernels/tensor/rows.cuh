// A row of a tile's sums on its way from shared memory to memory, 16 bytes of results at once: what kernels of mma.sync and of
// wgmma, convolutions and products, end with.
#pragma once
#include "precision.cuh"

struct __align__(16) Chunk { unsigned word[4]; };

// EACH neighbouring sums. Of eight the second four are read first where `turned`: lanes 32 bytes apart would meet on a bank, so
// half of them are.
__device__ __forceinline__ void load_sums(const float* at, bool turned, float (&v)[EACH]) {
    float4 four[EACH / 4];
#pragma unroll
    for (int i = 0; i < EACH / 4; ++i) four[i] = *reinterpret_cast<const float4*>(at + (i ^ turned) * 4);
#pragma unroll
    for (int i = 0; i < EACH / 4; ++i) {
        const float4 found = EACH == 8 && turned ? four[EACH / 4 - 1 - i] : four[i];
        v[i * 4] = found.x, v[i * 4 + 1] = found.y, v[i * 4 + 2] = found.z, v[i * 4 + 3] = found.w;
    }
}

// A sum that is no finite number becomes again(e), the e-th added up anew by plain floats.
template <typename Again> __device__ __forceinline__ void mend(float (&v)[EACH], const Again& again) {
    unsigned strange = 0;  // bit e: v[e] is none
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
