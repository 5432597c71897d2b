// 16 bytes from global to shared memory on every architecture: past the registers (copy.cuh) where there is a way, before
// sm_80 through them.
#pragma once
#include "copy.cuh"

__device__ __forceinline__ void bring_pack(void* to, const void* from) {
#if defined(GPUNN_HOST) || __CUDA_ARCH__ >= 800
    copy_async(shared_address(to), from, true);
#else
    *static_cast<uint4*>(to) = *static_cast<const uint4*>(from);
#endif
}

// Until all of this thread's are there; a barrier then shows them to the others.
__device__ __forceinline__ void wait_for_packs() {
#if defined(GPUNN_HOST) || __CUDA_ARCH__ >= 800
    copy_commit();
    copy_wait<0>();
#endif
}
