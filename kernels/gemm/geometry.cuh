// One product c = a b of a launch, and what is done to a as it is read and to c before it is written.
#pragma once
#include "../common.cuh"

struct Product {
    int M, N, K;           // c is (M,N), a (M,K), b (K,N), each of them with batches in front
    int ones;              // 1: b has one more column, of ones, whose sums go to a vector of their own
    int deep_a, deep_b;    // 1: neighbours in memory are neighbours of the depth K, else of M or N
    int pitch_a, pitch_b;  // elements from one of memory's rows to the next
    int batches, inner;    // how many products there are; b = outer*inner + i is their number
    int outer_a, inner_a, outer_b, inner_b;  // elements from one batch to the next
    int parts, each;       // the depth is split into so many parts of so much
    __device__ __forceinline__ int columns() const { return N + ones; }
    __device__ __forceinline__ int tiles(int rows, int cols) const {
        return ceil_div(M, rows) * ceil_div(columns(), cols) * batches;
    }
};

enum { LINEAR, RELU, TANH };  // activations

// What is added up, as the result: plus the bias, through the activation. NaN stays NaN.
__device__ __forceinline__ ACC activated(ACC v, int activation) {
    if (activation == RELU) return v > 0 || v != v ? v : (ACC)0;
    return activation == TANH ? (ACC)tanh(v) : v;
}

// gy times the activation's derivative, by the result y: as kernels/elementwise/activation.cuh has it.
__device__ __forceinline__ ACC derived(ACC gy, ACC y, int activation) {
    if (activation == RELU) return y != 0 ? gy : (ACC)0;
    return activation == TANH ? (1 - y * y) * gy : gy;
}
