// Where a thread of a pooling kernel works: at VEC channels (NHWC=1) or at one element (NHWC=0, VEC = 1).
#pragma once
#include "geometry.cuh"
#include "indices.cuh"

// The element (or VEC channels) that thread i owns of a tensor (N,C,D,H,W), in memory order.
struct Place {
    int n, c, d, h, w;
    bool real;  // false for threads past the last element
    i64 own;    // its (first) element in memory

    __device__ __forceinline__ Place(i64 i, int N, int C, int H, int W, int D = 1) : own(i * VEC) {
        const int columns = C / VEC, positions = D * H * W;
        const i64 position = NHWC ? i / columns : i, plane = position / positions;
        const int at = position - plane * positions, row = at / W;
        w = at - row * W, d = row / H, h = row - d * H;
        c = NHWC ? (i - position * columns) * VEC : plane % C;
        n = NHWC ? plane : plane / C;
        real = i < (i64)N * positions * columns;
    }
};

// value times the activation's slope, by its results y.
template <int V> __device__ __forceinline__ void lead_back(ACC (&value)[V], const T* y, int activation) {
    ACC result[V];
    load_channels<V>(y, result);
#pragma unroll
    for (int j = 0; j < V; ++j) value[j] = derived(value[j], result[j], activation);
}
