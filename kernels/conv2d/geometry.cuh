// The geometry of a 2-d convolution: one value, which the launcher packs by the names of its fields.
// Input row h and column w, output row p and column q; the filter's tap (r,s) of output (p,q) lies on input (row, col).
#pragma once
#include "../elementwise/epilogue.cuh"

struct Conv2d {
    int N, C, H, W, K, R, S, P, Q;
    int stride_h, stride_w, pad_h, pad_w, dil_h, dil_w, groups;
    int activation;  // of a forward pass: a number of epilogue.cuh

    __device__ __forceinline__ int Cg() const { return C / groups; }  // channels of one group
    __device__ __forceinline__ int Kg() const { return K / groups; }  // filters of one group

    __device__ __forceinline__ int row(int p, int r) const { return p * stride_h - pad_h + r * dil_h; }
    __device__ __forceinline__ int col(int q, int s) const { return q * stride_w - pad_w + s * dil_w; }
    __device__ __forceinline__ bool inside(int h, int w) const { return within(h, H) && within(w, W); }

    // The other way: the output whose tap r (or s) lies on input row h (or column w), or -1.
    __device__ __forceinline__ int out_row(int h, int r) const { return met(h + pad_h - r * dil_h, stride_h, P); }
    __device__ __forceinline__ int out_col(int w, int s) const { return met(w + pad_w - s * dil_w, stride_w, Q); }
};
