// CUDA C++ for a host compiler: the words that kernels/*.cu use, on top of the runtime in host/runtime.
// Light on purpose (no standard library header but stddef.h): every specialisation of a kernel compiles this.
#pragma once
#include "host/abi.h"

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline __attribute__((always_inline))
#define __noinline__ __attribute__((noinline))
#define __restrict__ __restrict
#define __align__(bytes) __attribute__((aligned(bytes)))
#define __launch_bounds__(...)
#define __constant__ static
#define __grid_constant__
// Blocks run in turn, so a block's shared variables are statics. Their section gives the runtime one range to poison and
// to check. `extern __shared__ T name[];` becomes GPUNN_DYNAMIC_SHARED(T, name) before compilation (source.py).
#define __shared__ static __attribute__((section("gpunn_shared")))
#define GPUNN_DYNAMIC_SHARED(type, name) type* const name = reinterpret_cast<type*>(gpunn_dynamic_shared)
// Host-side code that is not the kernel's own: its memory accesses are not the kernel's.
#define GPUNN_UNCHECKED __attribute__((no_sanitize("kernel-address"), no_sanitize("thread")))

#define threadIdx gpunn_thread_idx
#define blockIdx gpunn_block_idx
#define blockDim gpunn_block_dim
#define gridDim gpunn_grid_dim
constexpr int warpSize = 32;

#include "host/vector_types.h"
#include "host/device_math.h"
#include "host/sync.h"
#include "host/atomics.h"
#include "host/cuda_fp16.h"
#include "host/cuda_bf16.h"
#include "host/entry.h"

extern "C" int printf(const char* format, ...);
extern "C" void* memcpy(void* to, const void* from, size_t bytes) noexcept(true);
extern "C" void* memset(void* to, int value, size_t bytes) noexcept(true);
#define __trap() gpunn_assert_failed("__trap()", __FILE__, __LINE__)
#define assert(condition) \
    ((condition) ? (void)0 : gpunn_assert_failed(#condition, __FILE__, __LINE__))
