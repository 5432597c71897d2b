// What the kernels by wgmma share: their block's shared memory, and its rows of sums there.
#pragma once
#include "../ptx/wgmma.cuh"
#include "../tensor/rows.cuh"

static const int THREADS = BM * 2;  // a warpgroup has 64 rows
static const int PITCH = BN + 8;  // floats from a row's sums to the next: pairs meet 32 banks

static const int BESIDE = THREADS / 64;  // threads of a depth's row, where a stage of 64 depths lies across

// The area's first multiple of 1024 bytes, which the swizzle counts from: the launch gives as many more.
__device__ __forceinline__ char* aligned_area(char* area) {
    return area + (1024 - (shared_offset(shared_address(area)) & 1023)) % 1024;
}

// There the depth whose row a thread fills: the rows of eight lanes are so far apart that the swizzle keeps them from each
// other's banks.
__device__ __forceinline__ int own_depth() {
    const int i = threadIdx.x / BESIDE;
    return i / 8 * 8 + i % 8 * BESIDE % 8 + i % 8 * BESIDE / 8;
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
