/*
conv2d gradient of the input, tiled: the forward's multiplication on gy. At stride > 1 the input pixels are split into
stride_h * stride_w classes by their place modulo the stride: within a class the same taps meet every pixel, so that no
multiplication is wasted on taps that meet none.

math:     gx[n,c,h,v] = sum over r,s,k of gy[n,k,p,q] * w[k,c,r,s] where p*stride_h - pad_h + r*dil_h = h, and q likewise
layout:   gy (N,P,Q,K), gx (N,H,W,C), w (R,S,K,C/groups), row-major
threads:  a block owns BM pixels of one class x BN channels of one group (blockIdx.z = group and class), a thread 8x8
shared:   4*2*2*V*(BM + BN)
flops:    2*N*P*Q*K*(C//G)*R*S
bytes:    e*(N*H*W*C + N*P*Q*K + K*(C//G)*R*S)
requires: C/groups and K/groups multiples of V = 16/e; aligned arrays; float32, float16 or bfloat16; N*H*W below 2^31
numerics: one running sum in float an output, in the order r, s, k
*/
#include "tiled.cuh"

// The taps that meet the pixels h = class + i * stride: those where class + pad - r * dil is a multiple of the stride.
struct Taps {
    int R, S, stride_h, stride_w, dil_h, dil_w, above, left, r, s, number, dh, dw;
    __device__ __forceinline__ bool meets() {
        const int y = above - r * dil_h, x = left - s * dil_w;
        dh = y / stride_h, dw = x / stride_w, number = r * S + s;
        return y % stride_h == 0 && x % stride_w == 0;
    }
    __device__ __forceinline__ bool real() const { return r < R; }
    __device__ __forceinline__ void next() {
        do {
            if (++s == S) s = 0, ++r;
        } while (r < R && !meets());
    }
};

extern "C" __global__ void __launch_bounds__(THREADS, BLOCKS) conv2d_tiled_grad_input(
    const T* __restrict__ gy, const T* __restrict__ w, T* __restrict__ gx,
    int N, int C, int H, int W, int K, int R, int S, int P, int Q,
    int stride_h, int stride_w, int pad_h, int pad_w, int dil_h, int dil_w, int groups)
{
    __shared__ Buffers shared;
    const int Cg = C / groups, Kg = K / groups, g = blockIdx.z % groups, kind = blockIdx.z / groups;
    const int class_h = kind / stride_w, class_w = kind % stride_w;
    const int rows = ceil_div(H - class_h, stride_h), cols = ceil_div(W - class_w, stride_w);  // of this class
    const int M = rows > 0 && cols > 0 ? N * rows * cols : 0;
    const int first_row = blockIdx.x * BM, first_column = blockIdx.y * BN;
    if (first_row >= M) return;  // the whole block, so no barrier is missed

    int sample[LOADS], h[LOADS], v[LOADS];
#pragma unroll
    for (int l = 0; l < LOADS; ++l) {
        const int m = first_row + (threadIdx.x + l * THREADS) / 2;
        sample[l] = m < M ? m / (rows * cols) : -1;
        h[l] = m / cols % rows, v[l] = m % cols;
    }
    const Operands operands = {gy + g * Kg, w + (i64)g * Kg * Cg, P, Q, K, Kg, Cg, K * Cg, Cg};
    Taps taps = {R, S, stride_h, stride_w, dil_h, dil_w, class_h + pad_h, class_w + pad_w, 0, 0, 0, 0, 0};
    if (!taps.meets()) taps.next();
    const Corner at;
    ACC sums[8][8] = {};
    gemm(operands, taps, sample, h, v, first_column, shared, at, sums);

#pragma unroll
    for (int i = 0; i < 8; ++i) {
        const int m = first_row + at.row_of(i);
        if (m >= M) continue;
        const int n = m / (rows * cols), y = class_h + m / cols % rows * stride_h, x = class_w + m % cols * stride_w;
        T* pixel = gx + (((i64)n * H + y) * W + x) * C + g * Cg;
#pragma unroll
        for (int group = 0; group < 2; ++group) {
            const int c = first_column + at.col_of(group);
            if (c < Cg) store_four(pixel + c, &sums[i][group * 4], 4, true);
        }
    }
}
