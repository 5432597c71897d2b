// The geometry of a pooling: one value, which the launcher packs by the names of its fields. Of fewer dimensions than three
// the first ones have a size of 1. NHWC=1: (N,D,H,W,C) memory; NHWC=0: (N,C,D,H,W).
#pragma once
#include "../elementwise/epilogue.cuh"

struct Pool2d {
    int N, C, D, H, W, A, R, S, O, P, Q;
    int stride_d, stride_h, stride_w, pad_d, pad_h, pad_w, dil_d, dil_h, dil_w;
    int count_include_pad, activation, flat;  // flat: outputs are row-major, whatever the inputs

    __device__ __forceinline__ int slice(int o, int a) const { return o * stride_d - pad_d + a * dil_d; }
    __device__ __forceinline__ int row(int p, int r) const { return p * stride_h - pad_h + r * dil_h; }
    __device__ __forceinline__ int col(int q, int s) const { return q * stride_w - pad_w + s * dil_w; }
    __device__ __forceinline__ bool inside(int h, int w) const { return within(h, H) && within(w, W); }

    // The other way: the output whose tap a (r, s) lies on input slice d (row h, column w), or -1.
    __device__ __forceinline__ int out_slice(int d, int a) const { return met(d + pad_d - a * dil_d, stride_d, O); }
    __device__ __forceinline__ int out_row(int h, int r) const { return met(h + pad_h - r * dil_h, stride_h, P); }
    __device__ __forceinline__ int out_col(int w, int s) const { return met(w + pad_w - s * dil_w, stride_w, Q); }

    // From one position of a plane to the next, and the first element of plane (n,c) of the input and of the output.
    __device__ __forceinline__ int step() const { return NHWC ? C : 1; }
    __device__ __forceinline__ i64 input(int n, int c) const { return plane(n, c, (i64)D * H * W); }
    __device__ __forceinline__ i64 output(int n, int c) const {
        return flat ? ((i64)n * C + c) * O * P * Q : plane(n, c, (i64)O * P * Q);
    }
    __device__ __forceinline__ int out_step() const { return flat ? 1 : step(); }
    __device__ __forceinline__ i64 plane(int n, int c, i64 positions) const {
        return NHWC ? n * positions * C + c : ((i64)n * C + c) * positions;
    }
};
