// The windows of adaptive pooling: output p of P covers input start(p) up to, not including, stop(p), of n.
#pragma once
#include "average.cuh"

__device__ __forceinline__ int start(int p, int n, int P) { return (i64)p * n / P; }
__device__ __forceinline__ int stop(int p, int n, int P) { return ((i64)(p + 1) * n + P - 1) / P; }

// The windows that cover input h are first_over(h) up to, not including, end_over(h).
__device__ __forceinline__ int first_over(int h, int n, int P) { return (i64)h * P / n; }
__device__ __forceinline__ int end_over(int h, int n, int P) { return ((i64)(h + 1) * P + n - 1) / n; }
