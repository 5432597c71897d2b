// The norm of many tensors taken as one vector, of any order > 0: terms, how they are joined, and what becomes of their sum.
#pragma once
#include "../common.cuh"

const int THREADS = 256;

__device__ __forceinline__ ACC norm_term(ACC x, ACC order) {
    const ACC size = x < 0 ? -x : x;
    if (order == 2) return x * x;
    return order == 1 || isinf(order) ? size : (ACC)pow(size, order);
}

// The sum, or of infinite order the larger; NaN stays NaN.
__device__ __forceinline__ ACC norm_joined(ACC a, ACC b, ACC order) {
    if (!isinf(order)) return a + b;
    return b > a || b != b ? b : a;
}

__device__ __forceinline__ ACC norm_root(ACC sum, ACC order) {
    if (order == 2) return sqrt(sum);
    return order == 1 || isinf(order) ? sum : (ACC)pow(sum, 1 / order);
}

// The block's terms joined, in thread 0: a tree of fixed shape.
__device__ __forceinline__ ACC norm_block(ACC mine, ACC order) {
    __shared__ ACC sums[THREADS];
    const int me = threadIdx.x;
    sums[me] = mine;
    for (int half = THREADS / 2; half > 0; half /= 2) {
        __syncthreads();
        if (me < half) sums[me] = norm_joined(sums[me], sums[me + half], order);
    }
    return sums[0];
}
