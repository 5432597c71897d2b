// How a tile's parts become one: each block leaves its sums as its threads hold them, and the last to come adds them, in order.
#pragma once
#include "../tensor/ticket.cuh"
#include "wgmma_rows.cuh"

// The sums join those of the other parts: true in the block that has them all.
__device__ __forceinline__ bool join(const Split& o, float (&sums)[BN / 2]) {
    if (o.J == 1) return true;
    const int rounds = ceil_div(o.J, o.fan), round = o.part / o.fan, first = round * o.fan;
    int* tickets = o.tickets + o.tile * (rounds + 1);
    float4* slots = reinterpret_cast<float4*>(o.parts) + (i64)o.tile * (BM * BN / 4) + threadIdx.x;
    const i64 apart = (i64)o.tiles * (BM * BN / 4);
    auto leave = [&](int part) {
#pragma unroll
        for (int i = 0; i < BN / 8; ++i) {
            slots[part * apart + i * THREADS] = make_float4(sums[4 * i], sums[4 * i + 1], sums[4 * i + 2], sums[4 * i + 3]);
        }
    };
    auto add = [&](int start, int stride, int count) {
#pragma unroll
        for (int i = 0; i < BN / 2; ++i) sums[i] = 0;
#pragma unroll 1
        for (int j = 0; j < count; ++j) {
#pragma unroll
            for (int i = 0; i < BN / 8; ++i) {
                const float4 four = slots[(start + j * stride) * apart + i * THREADS];
                sums[4 * i] += four.x, sums[4 * i + 1] += four.y, sums[4 * i + 2] += four.z, sums[4 * i + 3] += four.w;
            }
        }
    };
    leave(o.part);
    const int count = smaller(o.fan, o.J - first);
    if (!drew_last(tickets + round, count)) return false;
    add(first, 1, count);
    if (rounds == 1) return true;
    leave(first);
    if (!drew_last(tickets + rounds, rounds)) return false;
    add(0, o.fan, rounds);
    return true;
}
