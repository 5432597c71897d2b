// What a compiled kernel asks of the runtime (runtime/*.h). Plain C names, no standard headers: kernels include this.
#pragma once
#include <stddef.h>

struct uint3 { unsigned x, y, z; };

namespace gpunn_host {

enum WarpOp : int { kWarpSync, kWarpShuffle, kWarpVote, kWarpGather };
enum BlockOp : int { kBarrier, kBarrierCount, kBarrierAnd, kBarrierOr };

// Where in the source a thread stands. Barriers compare lines, since a compiler may copy the call itself.
struct Place { const char* file; int line; };

// One lane's part in a warp-wide operation; it lives on the lane's stack until every lane of `mask` has arrived.
struct WarpRequest {
    WarpOp op;
    unsigned mask;
    Place place;
    int source;           // shuffle: the lane to read; vote: the predicate
    size_t size;          // bytes of one lane's value
    const void* value;
    void* result;         // shuffle: one value; vote: the ballot; gather: 32 values
    unsigned arrived;     // out: the lanes of mask that took part
};

}  // namespace gpunn_host

extern "C" {
extern uint3 gpunn_thread_idx, gpunn_block_idx, gpunn_block_dim, gpunn_grid_dim;
// Aligned as CUDA aligns it at least: of an access whose alignment is unknown the compiler tells less.
extern char gpunn_dynamic_shared[] __attribute__((aligned(1024)));
// File and line come apart: after a call with a struct by value, GCC 12 takes accesses seen before it for checked.
int gpunn_block_barrier(int op, int predicate, const char* file, int line);
void gpunn_warp(gpunn_host::WarpRequest* request);
void gpunn_atomic_access(const void* address, size_t bytes, void* site);
void gpunn_fence(void);
void gpunn_cp_async(void* shared, const void* global, int bytes, int source_bytes, void* site);
int gpunn_arrives_early(void);
void gpunn_cp_async_commit(void);
void gpunn_cp_async_wait(int groups_left);   // -1: also what was not committed
void gpunn_named_barrier(int number, int threads, int wait, void* site);
void gpunn_mbarrier_init(void* barrier, int count, void* site);
void gpunn_mbarrier_arrive(void* barrier, int with_copies, void* site);
int gpunn_mbarrier_wait(void* barrier, int parity, int forever, void* site);   // whether the phase has ended
void gpunn_await_change(const unsigned* address, unsigned seen, void* site);
void gpunn_yield(void* site);
void gpunn_blocks_met(void);
// wgmma: d, columns, descriptors of A and B, a WgmmaType, whether their depths run across their rows.
void gpunn_wgmma(float* d, int columns, unsigned long long a, unsigned long long b, int type, int across_a, int across_b,
                 const char* file, int line);
// The same of TF32 whose A, 64 x 8, lies in registers: this thread's four, and the two rows that it has sums of.
void gpunn_wgmma_registers(float* d, int columns, const unsigned* a, const unsigned (*rows)[8], unsigned long long b, int add,
                           void* site, const char* file, int line);
void gpunn_wgmma_fence(void);
void gpunn_wgmma_commit(void);
void gpunn_wgmma_wait(int groups_left);
void gpunn_fence_proxy(void);
[[noreturn]] void gpunn_assert_failed(const char* text, const char* file, int line);
}
