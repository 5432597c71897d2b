// Barriers: of some of a block's warps (named ones), of threads that arrive and others that wait (mbarrier), of a grid.
#pragma once
#include "shared.cuh"

// ---------------------------------------------------------------- named barriers, 1 to 15; __syncthreads is number 0
// Waits until `threads` threads of whole warps, a multiple of 32, have come to this barrier, here or by barrier_arrive. What
// they did before is then seen by those who waited.
__device__ __forceinline__ void barrier_wait(int number, int threads) {
#ifdef GPUNN_HOST
    gpunn_host::named_barrier(number, threads, true);
#else
    asm volatile("bar.sync %0, %1;" ::"r"(number), "r"(threads) : "memory");
#endif
}

// Comes to the barrier without waiting. All lanes of a warp call it; once more before it has opened is an error.
__device__ __forceinline__ void barrier_arrive(int number, int threads) {
#ifdef GPUNN_HOST
    gpunn_host::named_barrier(number, threads, false);
#else
    asm volatile("bar.arrive %0, %1;" ::"r"(number), "r"(threads) : "memory");
#endif
}

// ---------------------------------------------------------------- mbarriers: 8 bytes of shared memory each (sm_80)
// One thread makes it, for `count` arrivals a phase; a __syncthreads shows it to the others. Its first phase has parity 0,
// and the parities alternate.
__device__ __forceinline__ void mbarrier_init(Shared barrier, int count) {
#ifdef GPUNN_HOST
    gpunn_host::mbarrier_init(barrier, count);
#else
    asm volatile("mbarrier.init.shared.b64 [%0], %1;" ::"r"(barrier), "r"(count) : "memory");
#endif
}

// One arrival: what this thread did before is seen by whoever waits for the phase. After a __syncwarp it stands for the warp.
__device__ __forceinline__ void mbarrier_arrive(Shared barrier) {
#ifdef GPUNN_HOST
    gpunn_host::mbarrier_arrive(barrier, false);
#else
    unsigned long long state;
    asm volatile("mbarrier.arrive.shared.b64 %0, [%1];" : "=l"(state) : "r"(barrier) : "memory");
#endif
}

// One arrival as soon as all copies (copy_async) that this thread has asked for so far are there; it does not wait for them.
__device__ __forceinline__ void mbarrier_arrive_copies(Shared barrier) {
#ifdef GPUNN_HOST
    gpunn_host::mbarrier_arrive(barrier, true);
#else
    asm volatile("cp.async.mbarrier.arrive.noinc.shared.b64 [%0];" ::"r"(barrier) : "memory");
#endif
}

// Whether the phase of this parity has ended; it may wait a while for that.
__device__ __forceinline__ bool mbarrier_test(Shared barrier, int parity) {
#ifdef GPUNN_HOST
    return gpunn_host::mbarrier_wait(barrier, parity, false);
#else
    unsigned ended;
#if __CUDA_ARCH__ >= 900
    asm volatile("{.reg .pred p; mbarrier.try_wait.parity.shared.b64 p, [%1], %2; selp.u32 %0, 1, 0, p;}"
                 : "=r"(ended) : "r"(barrier), "r"(parity) : "memory");
#else
    asm volatile("{.reg .pred p; mbarrier.test_wait.parity.shared.b64 p, [%1], %2; selp.u32 %0, 1, 0, p;}"
                 : "=r"(ended) : "r"(barrier), "r"(parity) : "memory");
#endif
    return ended;
#endif
}

// Waits until it has.
__device__ __forceinline__ void mbarrier_wait(Shared barrier, int parity) {
#ifdef GPUNN_HOST
    gpunn_host::mbarrier_wait(barrier, parity, true);
#else
    while (!mbarrier_test(barrier, parity)) {}
#endif
}

// ---------------------------------------------------------------- blocks that wait for each other: cooperative launches
// What *p holds once it is no longer `seen`; what was done before it was written (by an atomic behind a __threadfence) is seen.
__device__ __forceinline__ unsigned await_change(const unsigned* p, unsigned seen) {
#ifdef GPUNN_HOST
    return gpunn_host::await_change(p, seen);
#else
    unsigned now;
    do asm volatile("ld.acquire.gpu.u32 %0, [%1];" : "=r"(now) : "l"(p) : "memory");
    while (now == seen);
    return now;
#endif
}

// `blocks` blocks meet, of which one says that it is the `first`: what any of their threads did before is seen by all of them
// after. All threads of each call it, and the launch is cooperative. *counter is 0 before its first use, whatever it was left
// at before any other: each barrier turns its top bit, since the arrivals add up to 2^31; after an even number it is 0 again.
__device__ __forceinline__ void blocks_barrier(unsigned* counter, unsigned blocks, bool first) {
    __syncthreads();
    if (threadIdx.x + threadIdx.y + threadIdx.z == 0) {
        const unsigned top = 0x80000000u, mine = first ? top - (blocks - 1) : 1u;
        __threadfence();
        const unsigned before = atomicAdd(counter, mine);
        unsigned now = before + mine;
#ifdef GPUNN_HOST
        const bool last = (now ^ before) & top;   // this block was the last to come
        if (last && blocks == gridDim.x * gridDim.y * gridDim.z) gpunn_host::blocks_met();
#endif
        while (!((now ^ before) & top)) now = await_change(counter, now);
        __threadfence();
    }
    __syncthreads();
}

// All blocks of the grid meet.
__device__ __forceinline__ void grid_barrier(unsigned* counter) {
    blocks_barrier(counter, gridDim.x * gridDim.y * gridDim.z, blockIdx.x + blockIdx.y + blockIdx.z == 0);
}
