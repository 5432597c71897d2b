// What a kernel may do to a sum before it stores it, and to a gradient that comes back: an activation of activation.cuh,
// by a number that the launch gives.
#pragma once
#include "activation.cuh"

enum { NOTHING, RELU, TANH };  // as EPILOGUES in gpunn/cuda/dtypes.py

template <typename A> __device__ __forceinline__ A activated(A v, int activation) {
    return activation == RELU ? Relu::value(v, A(0), A(0)) : activation == TANH ? Tanh::value(v, A(0), A(0)) : v;
}

template <typename A, int M, int N> __device__ __forceinline__ void activate(A (&v)[M][N], int activation) {
    if (activation == NOTHING) return;
#pragma unroll
    for (int i = 0; i < M; ++i) {
#pragma unroll
        for (int j = 0; j < N; ++j) v[i][j] = activated(v[i][j], activation);
    }
}

// gy times the activation's slope, by the activation's result y.
template <typename A> __device__ __forceinline__ A derived(A gy, A y, int activation) {
    return activation == RELU ? Relu::gradient(gy, y, A(0), A(0)) : activation == TANH ? Tanh::gradient(gy, y, A(0), A(0)) : gy;
}
