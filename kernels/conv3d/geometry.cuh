// The geometry of a 3-d convolution: one value, which the launcher packs by the names of its fields.
// As conv2d's, with depth: input d, filter a, output o.
#pragma once
#include "../elementwise/epilogue.cuh"

struct Conv3d {
    int N, C, D, H, W, K, A, R, S, O, P, Q;
    int stride_d, stride_h, stride_w, pad_d, pad_h, pad_w, dil_d, dil_h, dil_w, groups;
    int activation;  // of a forward pass: a number of epilogue.cuh

    __device__ __forceinline__ int Cg() const { return C / groups; }  // channels of one group
    __device__ __forceinline__ int Kg() const { return K / groups; }  // filters of one group

    __device__ __forceinline__ int plane(int o, int a) const { return o * stride_d - pad_d + a * dil_d; }
    __device__ __forceinline__ int row(int p, int r) const { return p * stride_h - pad_h + r * dil_h; }
    __device__ __forceinline__ int col(int q, int s) const { return q * stride_w - pad_w + s * dil_w; }
    __device__ __forceinline__ bool inside(int d, int h, int w) const {
        return within(d, D) && within(h, H) && within(w, W);
    }

    // The other way: the output whose tap a (or r, s) lies on input plane d (or row h, column w), or -1.
    __device__ __forceinline__ int out_plane(int d, int a) const { return met(d + pad_d - a * dil_d, stride_d, O); }
    __device__ __forceinline__ int out_row(int h, int r) const { return met(h + pad_h - r * dil_h, stride_h, P); }
    __device__ __forceinline__ int out_col(int w, int s) const { return met(w + pad_w - s * dil_w, stride_w, Q); }
};
