// The parts of a split sum (ticket.cuh) of a block of THREADS, as its threads hold them.
#pragma once
#include "ticket.cuh"

static const int LOADED = 8;  // of a thread's 16 bytes, that are on their way at once: a whole tile's would not fit registers

// The sums join those of the other parts: true in the block that has them all.
template <int COUNT> __device__ __forceinline__ bool join_sums(const Split& o, float (&sums)[COUNT]) {
    float4* slots = reinterpret_cast<float4*>(o.parts) + (i64)o.tile * (COUNT / 4 * THREADS) + threadIdx.x;
    const i64 apart = (i64)o.tiles * (COUNT / 4 * THREADS);
    auto leave = [&](int part) {
#pragma unroll
        for (int i = 0; i < COUNT / 4; ++i) {
            slots[part * apart + i * THREADS] = make_float4(sums[4 * i], sums[4 * i + 1], sums[4 * i + 2], sums[4 * i + 3]);
        }
    };
    auto add = [&](int start, int stride, int count) {
#pragma unroll
        for (int first = 0; first < COUNT / 4; first += LOADED) {
            float4 sum[LOADED] = {};
            const float4* from = slots + start * apart + first * THREADS;
#pragma unroll 1
            for (int j = 0; j < count; ++j, from += stride * apart) {
                float4 four[LOADED];
#pragma unroll
                for (int i = 0; i < LOADED; ++i) four[i] = from[i * THREADS];
#pragma unroll
                for (int i = 0; i < LOADED; ++i) {
                    sum[i].x += four[i].x, sum[i].y += four[i].y, sum[i].z += four[i].z, sum[i].w += four[i].w;
                }
            }
#pragma unroll
            for (int i = 0; i < LOADED; ++i) {
                const int at = (first + i) * 4;
                sums[at] = sum[i].x, sums[at + 1] = sum[i].y, sums[at + 2] = sum[i].z, sums[at + 3] = sum[i].w;
            }
        }
    };
    return join_rounds(o, leave, add);
}
