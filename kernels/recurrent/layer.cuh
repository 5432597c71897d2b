// What the persistent kernels share: all steps of one direction of a layer in one launch of blocks that wait for each other.
//
// Block (x, y) owns the hidden units 16 x to 16 x + 15, all their gates: their rows of w_hh stay in its shared memory, and
// nobody else needs their cells. Its samples are the tiles y, y + gridDim.y and so on, of SAMPLES each. Samples never meet, so
// the blocks of one y wait for each other alone.
//
// A lane of a product owns 2 units (or 4 columns) of 8 times as many, and SAMPLES / 4 of the samples. Its number's bits are
// dealt out so that of any two lanes that differ in bit 0 or bit 1 either both read the same unit or both the same sample:
// 16-byte reads of shared memory by both halves of a warp are then one access.
#pragma once
#include "../ptx/barrier.cuh"
#include "cells.cuh"
#include "units.cuh"

struct Layer {
    int N, H, L;              // samples, hidden units, steps
    int reverse, activation;  // 1: from the last step to the first; of rnn RELU or TANH
    int kept;                 // forward: 1: all steps' activations, cells, products are, for backward
    int to_start;             // backward: 1: the gradient of the first state is wanted
};

enum { UNITS = 16, THREADS = 256, WARPS = 8, GATES = CELL::GATES, ROWS = GATES * UNITS, TN = SAMPLES / 4, WIDE = 4 };
enum { STEP = WARPS * (VEC > WIDE ? VEC : WIDE) };  // what the columns of w_hh are filled up to: whole accesses for each warp

// Floats of a row of so many numbers in shared memory: 8 rows then begin in different banks.
__device__ __forceinline__ int pitch(int columns) { return columns + WIDE; }
__device__ __forceinline__ int padded(const Layer& g) { return ceil_div(g.H, STEP) * STEP; }

// The i-th step: its t, the rows of states before and after it.
struct Step {
    int t, before, after;

    __device__ __forceinline__ Step(const Layer& g, int i) {
        t = g.reverse ? g.L - 1 - i : i;
        before = t + (g.reverse ? 1 : 0), after = t + (g.reverse ? 0 : 1);
    }
};

// Which of 8 places and of 4 samples are a lane's.
struct Lane {
    int place, sample;

    __device__ __forceinline__ Lane() {
        const int lane = threadIdx.x & 31;
        place = (lane >> 1 & 1) | (lane >> 2 & 6), sample = (lane & 1) | (lane >> 1 & 2);
    }
};

// A thread's unit of a sample, of whose gates it makes the state.
struct Own {
    int n, unit;
    bool real, runs;  // whether there is such a one; whether its sequence is not over
    i64 at;           // in (N,H)

    __device__ __forceinline__ Own(const Layer& g, int n, int unit, int t, const int* lengths) : n(n), unit(unit) {
        real = threadIdx.x < UNITS * SAMPLES && n < g.N && unit < g.H;
        runs = real && (!lengths || t < lengths[n]);
        at = real ? (i64)n * g.H + unit : 0;
    }

    // Gate k in (steps,N,GATES,H).
    __device__ __forceinline__ i64 gate(const Layer& g, int t, int k) const {
        return (((i64)t * g.N + n) * GATES + k) * g.H + unit;
    }
};

// The block's rows of w_hh, row (gate, unit) at gate * UNITS + unit; zeros beyond H.
__device__ __forceinline__ void load_weights(const Layer& g, const T* w_hh, ACC* to) {
    const int width = padded(g), first = blockIdx.x * UNITS;
    for (int i = threadIdx.x * VEC; i < ROWS * width; i += THREADS * VEC) {
        const int row = i / width, k = i % width, unit = first + row % UNITS;
        ACC v[VEC] = {};
        if (unit < g.H && k < g.H) load_channels(w_hh + ((i64)(row / UNITS) * g.H + unit) * g.H + k, v);
        store_state(to + row * pitch(width) + k, v);
    }
    __syncthreads();
}
