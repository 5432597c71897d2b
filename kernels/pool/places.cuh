// The windows of a max pooling, ordinary or adaptive, as whoever names places in the plane sees them.
#pragma once
#include "adaptive.cuh"

struct Places {
    int N, C, D, H, W, A, R, S, O, P, Q;
    int adaptive, stride_d, stride_h, stride_w, pad_d, pad_h, pad_w, dil_d, dil_h, dil_w;

    // Where the window of slice o (row p, column q) begins; an adaptive one has no dilation.
    __device__ __forceinline__ int slice(int o) const { return adaptive ? start(o, D, O) : o * stride_d - pad_d; }
    __device__ __forceinline__ int row(int p) const { return adaptive ? start(p, H, P) : p * stride_h - pad_h; }
    __device__ __forceinline__ int column(int q) const { return adaptive ? start(q, W, Q) : q * stride_w - pad_w; }

    // How many slices (rows, columns) it has.
    __device__ __forceinline__ int slices(int o) const { return adaptive ? stop(o, D, O) - start(o, D, O) : A; }
    __device__ __forceinline__ int rows(int p) const { return adaptive ? stop(p, H, P) - start(p, H, P) : R; }
    __device__ __forceinline__ int columns(int q) const { return adaptive ? stop(q, W, Q) - start(q, W, Q) : S; }
};
