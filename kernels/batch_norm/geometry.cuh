// The sizes of a batch normalisation: one value, which the launcher packs by the names of its fields.
#pragma once
#include "../common.cuh"

struct Norm {
    int N, C, L;  // samples, channels, positions

    // The m-th of the N*L elements of channel c.
    __device__ __forceinline__ i64 element(int m, int c) const {
        return NHWC ? (i64)m * C + c : ((i64)(m / L) * C + c) * L + m % L;
    }
};

// V neighbours of gy from element `at` on, where a ReLU was fused (y given) only those that it let through: y > 0.
template <int V> __device__ __forceinline__ void rectified(const T* gy, const T* y, i64 at, ACC (&g)[V]) {
    load_channels<V>(gy + at, g);
    if (!y) return;
    ACC passed[V];
    load_channels<V>(y + at, passed);
#pragma unroll
    for (int j = 0; j < V; ++j) g[j] = passed[j] > 0 ? g[j] : (ACC)0;
}
