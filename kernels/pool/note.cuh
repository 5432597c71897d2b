// Places that there are not: the first of a launch is noted, and the next host read reports it (gpunn/backend/faults.py).
#pragma once
#include "../common.cuh"

static const i64 NONE = 0x7fffffffffffffffll;  // no row is wrong

__device__ __forceinline__ i64 earlier(i64 a, i64 b) { return a < b ? a : b; }

// The row of an element of place (N,C,M), its number in logical order, from where it is in memory.
__device__ __forceinline__ i64 row_of(i64 at, int C, int M) {
    return NHWC ? (at / C / M * C + at % C) * M + at / C % M : at;
}

// The earliest of a block's rows, in every thread; a block that has none wrong waits once.
template <int THREADS> __device__ __forceinline__ i64 first_of_block(i64 mine) {
    __shared__ i64 found[THREADS];
    if (!__syncthreads_or(mine != NONE)) return NONE;
    found[threadIdx.x] = mine;
    for (int half = THREADS / 2; half > 0; half /= 2) {
        __syncthreads();
        if (threadIdx.x < half) found[threadIdx.x] = earlier(found[threadIdx.x], found[threadIdx.x + half]);
    }
    __syncthreads();
    return found[0];
}

// Notes the first wrong place of all blocks, unless an earlier offence has not been reported yet.
//   wrong       this thread's first wrong row of place (N,C,M), or NONE
//   parts (J)   takes each block's; the block that draws the last ticket goes through them
//   fed         the serial number, inside a captured graph
//   state (5)   a ticket, 0 between launches; the first offence not yet reported: serial (0: none), place, row, call
template <int THREADS, typename Place> __device__ __forceinline__ void note(
    i64 wrong, const Place* place, i64* parts, i64* state, int C, int M, i64 serial, i64 call, const i64* fed)
{
    __shared__ bool last;
    const int me = threadIdx.x;

    // write this block's part, then draw
    wrong = first_of_block<THREADS>(wrong);
    if (me == 0) {
        parts[blockIdx.x] = wrong;
        __threadfence();
        // It wraps to 0 for the next launch.
        last = atomicInc(reinterpret_cast<unsigned*>(state), gridDim.x - 1) == gridDim.x - 1;
        __threadfence();
    }
    __syncthreads();
    if (!last) return;

    // combine
    wrong = NONE;
    for (i64 j = me; j < gridDim.x; j += THREADS) wrong = earlier(wrong, parts[j]);
    wrong = first_of_block<THREADS>(wrong);
    if (me != 0 || wrong == NONE || state[1]) return;

    // write
    const i64 plane = wrong / M, at = NHWC ? (plane / C * M + wrong % M) * C + plane % C : wrong;
    state[1] = fed ? *fed : serial, state[2] = place[at], state[3] = wrong, state[4] = call;
}
