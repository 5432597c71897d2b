// Pooling by the norm of a window, of windows without padding: its geometry, powers and roots. With VEC > 1 the order is 1
// or 2, whose powers are products: pow of many channels side by side would take all registers.
#pragma once
#include "adaptive.cuh"

struct Norm {
    int N, C, D, H, W, A, R, S, O, P, Q;
    int stride_d, stride_h, stride_w;

    __device__ __forceinline__ int step() const { return NHWC ? C : 1; }
    __device__ __forceinline__ int place(int, int, int) const { return 0; }

    // The window of an output: what hangs over the edge is cut off.
    __device__ __forceinline__ Cell cell(int o, int p, int q) const {
        const int d = o * stride_d, h = p * stride_h, w = q * stride_w;
        return Cell(d, smaller(d + A, D), h, smaller(h + R, H), w, smaller(w + S, W));
    }

    // By what a sum of powers is scaled: as if a window that hangs over the edge went on with its mean.
    __device__ __forceinline__ ACC scale(const Cell& cell) const { return (ACC)(A * R * S) / cell.count; }
};

__device__ __forceinline__ ACC raised(ACC v, ACC power) {
    return power == 2 ? v * v : power == 1 || VEC > 1 ? v : pow(v, power);
}

__device__ __forceinline__ ACC root(ACC v, ACC power) {
    return power == 2 ? sqrt(v) : power == 1 || VEC > 1 ? v : pow(v, (ACC)1 / power);
}

// What a window of norm y, which is given gy, gives to one x of it, but for the scale; 0 where y is, as in PyTorch.
__device__ __forceinline__ ACC part(ACC gy, ACC x, ACC y, ACC power) {
    if (y == 0) return 0;
    return power == 2 ? gy * (x / y) : power == 1 || VEC > 1 ? gy : gy * pow(x / y, power - 1);
}
