// How a kernel keeps several loads in flight.
#pragma once
#include "../common.cuh"

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
