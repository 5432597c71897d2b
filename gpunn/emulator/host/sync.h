// Barriers, warp operations, fences, and the primitives that kernels/ptx.cuh builds its host versions on.
#pragma once

#define GPUNN_HERE const char *file = __builtin_FILE(), int line = __builtin_LINE()

inline void __syncthreads(GPUNN_HERE) { gpunn_block_barrier(gpunn_host::kBarrier, 0, file, line); }
inline int __syncthreads_count(int predicate, GPUNN_HERE) {
    return gpunn_block_barrier(gpunn_host::kBarrierCount, predicate, file, line);
}
inline int __syncthreads_and(int predicate, GPUNN_HERE) {
    return gpunn_block_barrier(gpunn_host::kBarrierAnd, predicate, file, line);
}
inline int __syncthreads_or(int predicate, GPUNN_HERE) {
    return gpunn_block_barrier(gpunn_host::kBarrierOr, predicate, file, line);
}
inline void __threadfence() { gpunn_fence(); }
inline void __threadfence_block() { asm volatile("" ::: "memory"); }
inline void __threadfence_system() { gpunn_fence(); }

namespace gpunn_host {

inline int linear_thread() {
    return int(threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z));
}
inline int lane() { return linear_thread() & 31; }
inline int warp() { return linear_thread() >> 5; }

GPUNN_UNCHECKED inline unsigned meet(WarpOp op, unsigned mask, int source, size_t size, const void* value, void* result,
                                     const char* file, int line) {
    WarpRequest request = {op, mask, {file, line}, source, size, value, result, 0};
    gpunn_warp(&request);
    return request.arrived;
}

// Every lane of mask receives every lane's value; lanes outside hold 0xFF bytes.
template <class T> inline unsigned warp_gather(const T& mine, T (&all)[32], unsigned mask = ~0u, GPUNN_HERE) {
    return meet(kWarpGather, mask, 0, sizeof(T), &mine, all, file, line);
}

// source < 0 or beyond the segment of `width` lanes leaves a lane its own value, as the hardware does.
template <class T> inline T shuffle(unsigned mask, const T& value, int source, bool inside,
                                  const char* file, int line) {
    T result;
    meet(kWarpShuffle, mask, inside ? source : lane(), sizeof(T), &value, &result, file, line);
    return result;
}

// Out of line, so that the return address names the place in the kernel.
GPUNN_UNCHECKED __attribute__((noinline)) static void cp_async(void* smem, const void* gmem, int bytes, int src_bytes) {
    gpunn_cp_async(smem, gmem, bytes, src_bytes, __builtin_return_address(0));
}
// Whether what is asynchronous happens when it is issued, in a strict launch's later runs, or at its wait.
inline bool arrives_early() { return gpunn_arrives_early(); }
inline void cp_async_commit() { gpunn_cp_async_commit(); }
inline void cp_async_wait(int groups_left) { gpunn_cp_async_wait(groups_left); }
inline void cp_async_wait_all() { gpunn_cp_async_wait(-1); }

// What kernels/ptx/barrier.cuh builds on, out of line for the same reason.
#define GPUNN_OUTSIDE GPUNN_UNCHECKED __attribute__((noinline)) static
#define GPUNN_SITE_OF_CALL __builtin_return_address(0)
GPUNN_OUTSIDE void named_barrier(int number, int threads, bool wait) {
    gpunn_named_barrier(number, threads, wait, GPUNN_SITE_OF_CALL);
}
GPUNN_OUTSIDE void mbarrier_init(void* barrier, int count) { gpunn_mbarrier_init(barrier, count, GPUNN_SITE_OF_CALL); }
GPUNN_OUTSIDE void mbarrier_arrive(void* barrier, bool with_copies) {
    gpunn_mbarrier_arrive(barrier, with_copies, GPUNN_SITE_OF_CALL);
}
GPUNN_OUTSIDE bool mbarrier_wait(void* barrier, int parity, bool forever) {
    return gpunn_mbarrier_wait(barrier, parity, forever, GPUNN_SITE_OF_CALL);
}
// Until *p is no longer `seen`: the other threads, and in a launch whose blocks run together the other blocks, go on meanwhile.
GPUNN_OUTSIDE unsigned await_change(const unsigned* p, unsigned seen) {
    gpunn_await_change(p, seen, GPUNN_SITE_OF_CALL);
    return *p;
}
inline void blocks_met() { gpunn_blocks_met(); }

}  // namespace gpunn_host

GPUNN_OUTSIDE void __nanosleep(unsigned) { gpunn_yield(GPUNN_SITE_OF_CALL); }
inline void __syncwarp(unsigned mask = ~0u, GPUNN_HERE) {
    gpunn_host::meet(gpunn_host::kWarpSync, mask, 0, 0, nullptr, nullptr, file, line);
}
template <class T> inline T __shfl_sync(unsigned mask, T value, int source, int width = 32, GPUNN_HERE) {
    int lane = gpunn_host::lane();
    return gpunn_host::shuffle(mask, value, (lane & -width) + (source & (width - 1)), true, file, line);
}
template <class T> inline T __shfl_up_sync(unsigned mask, T value, unsigned delta, int width = 32, GPUNN_HERE) {
    int lane = gpunn_host::lane(), source = lane - int(delta);
    return gpunn_host::shuffle(mask, value, source, source >= (lane & -width), file, line);
}
template <class T> inline T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = 32, GPUNN_HERE) {
    int lane = gpunn_host::lane(), source = lane + int(delta);
    return gpunn_host::shuffle(mask, value, source, source < (lane & -width) + width, file, line);
}
template <class T> inline T __shfl_xor_sync(unsigned mask, T value, int lane_mask, int width = 32, GPUNN_HERE) {
    int lane = gpunn_host::lane(), source = lane ^ lane_mask;
    return gpunn_host::shuffle(mask, value, source, source < (lane & -width) + width, file, line);
}
GPUNN_UNCHECKED inline unsigned gpunn_ballot(unsigned mask, int predicate, unsigned& arrived, const char* file,
                                             int line) {
    unsigned ballot = 0;
    arrived = gpunn_host::meet(gpunn_host::kWarpVote, mask, predicate != 0, sizeof ballot, nullptr, &ballot, file,
                               line);
    return ballot;
}
inline unsigned __ballot_sync(unsigned mask, int predicate, GPUNN_HERE) {
    unsigned arrived;
    return gpunn_ballot(mask, predicate, arrived, file, line);
}
inline int __any_sync(unsigned mask, int predicate, GPUNN_HERE) {
    unsigned arrived;
    return gpunn_ballot(mask, predicate, arrived, file, line) != 0;
}
inline int __all_sync(unsigned mask, int predicate, GPUNN_HERE) {
    unsigned arrived;
    return gpunn_ballot(mask, predicate, arrived, file, line) == arrived;
}
#define GPUNN_REDUCE(name, type, combine)                                             \
    inline type name(unsigned mask, type value, GPUNN_HERE) {                         \
        type all[32];                                                                 \
        unsigned arrived = gpunn_host::warp_gather(value, all, mask, file, line);     \
        type a = all[__builtin_ctz(arrived)];                                         \
        for (unsigned rest = arrived & (arrived - 1); rest; rest &= rest - 1) {       \
            type b = all[__builtin_ctz(rest)];                                        \
            a = combine;                                                              \
        }                                                                             \
        return a;                                                                     \
    }
GPUNN_REDUCE(__reduce_add_sync, int, a + b) GPUNN_REDUCE(__reduce_add_sync, unsigned, a + b)
GPUNN_REDUCE(__reduce_min_sync, int, b < a ? b : a) GPUNN_REDUCE(__reduce_min_sync, unsigned, b < a ? b : a)
GPUNN_REDUCE(__reduce_max_sync, int, a < b ? b : a) GPUNN_REDUCE(__reduce_max_sync, unsigned, a < b ? b : a)
GPUNN_REDUCE(__reduce_and_sync, unsigned, a & b) GPUNN_REDUCE(__reduce_or_sync, unsigned, a | b)
GPUNN_REDUCE(__reduce_xor_sync, unsigned, a ^ b)
