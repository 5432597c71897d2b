// Sums by fours, as products keep and move them.
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
