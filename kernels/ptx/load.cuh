// Loads from shared memory by its 32-bit addresses.
#pragma once
#include "shared.cuh"

// 16 or 8 bytes from a multiple of them.
__device__ __forceinline__ void load_shared(unsigned (&v)[4], Shared from) {
#ifdef GPUNN_HOST
    const uint4 u = *reinterpret_cast<const uint4*>(from);
    v[0] = u.x, v[1] = u.y, v[2] = u.z, v[3] = u.w;
#else
    asm volatile("ld.shared.v4.u32 {%0,%1,%2,%3}, [%4];" : "=r"(v[0]), "=r"(v[1]), "=r"(v[2]), "=r"(v[3]) : "r"(from) : "memory");
#endif
}

__device__ __forceinline__ void load_shared(unsigned (&v)[2], Shared from) {
#ifdef GPUNN_HOST
    const uint2 u = *reinterpret_cast<const uint2*>(from);
    v[0] = u.x, v[1] = u.y;
#else
    asm volatile("ld.shared.v2.u32 {%0,%1}, [%2];" : "=r"(v[0]), "=r"(v[1]) : "r"(from) : "memory");
#endif
}
