// cp.async: 16 bytes from global to shared memory past the registers (sm_80 and later). The data may arrive at any time
// between the copy and the wait for its group.
#pragma once
#include "shared.cuh"

// 16 bytes, or where they are not `real` zeros: then `from` is not read.
__device__ __forceinline__ void copy_async(Shared to, const void* from, bool real) {
#ifdef GPUNN_HOST
    gpunn_host::cp_async(to, from, 16, real ? 16 : 0);
#else
    asm volatile("cp.async.cg.shared.global.L2::128B [%0], [%1], 16, %2;" ::"r"(to), "l"(from), "r"(real ? 16 : 0) : "memory");
#endif
}

// Closes the group of this thread's copies since the last.
__device__ __forceinline__ void copy_commit() {
#ifdef GPUNN_HOST
    gpunn_host::cp_async_commit();
#else
    asm volatile("cp.async.commit_group;" ::: "memory");
#endif
}

// Until all but the latest LEFT of this thread's groups are there; a barrier then shows them to the others.
template <int LEFT> __device__ __forceinline__ void copy_wait() {
#ifdef GPUNN_HOST
    gpunn_host::cp_async_wait(LEFT);
#else
    asm volatile("cp.async.wait_group %0;" ::"n"(LEFT) : "memory");
#endif
}
