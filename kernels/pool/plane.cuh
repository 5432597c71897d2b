// Where a thread of a pooling kernel works. NHWC=1: (N,H,W,C) memory, VEC channels a thread; 0: (N,C,H,W), VEC = 1.
#pragma once
#include "../common.cuh"

struct Place {
    int n, c, h, w;
    bool real;  // false for threads past the last element
};

// The element (or VEC channels) that thread i owns of a tensor (N,C,H,W), in memory order.
__device__ __forceinline__ Place place_of(i64 i, int N, int C, int H, int W) {
    Place at;
#if NHWC
    const int columns = C / VEC;
    at.c = i % columns * VEC, at.w = i / columns % W, at.h = i / ((i64)columns * W) % H, at.n = i / ((i64)columns * W * H);
    at.real = i < (i64)N * H * W * columns;
#else
    at.w = i % W, at.h = i / W % H, at.c = i / ((i64)W * H) % C, at.n = i / ((i64)W * H * C);
    at.real = i < (i64)N * H * W * C;
#endif
    return at;
}

// First element of the plane (n, c); the plane's element (h, w) is (h*W + w) * plane_step(C) further.
__device__ __forceinline__ i64 plane_start(int n, int c, int C, int H, int W) {
    return NHWC ? (i64)n * H * W * C + c : ((i64)n * C + c) * H * W;
}

__device__ __forceinline__ int plane_step(int C) { return NHWC ? C : 1; }

// VEC small integers, moved by one access.
template <typename I> struct alignas(sizeof(I) * VEC) Indices {
    I item[VEC];
};
