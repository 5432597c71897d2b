/*
conv2d gradient of the input, tiled: the forward's multiplication on gy. At stride > 1 the input pixels are split into
stride_h * stride_w classes by their place modulo the stride: within a class the same taps meet every pixel, so that no
multiplication is wasted on taps that meet none.

math:     gx[n,c,h,w] = sum over r,s,k of gy[n,k,p,q] * weight[k,c,r,s] where p*stride_h - pad_h + r*dil_h = h,
          q*stride_w - pad_w + s*dil_w = w
layout:   gy (N,P,Q,K), gx (N,H,W,C), weight (K,R,S,C/groups), row-major
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
    const T* __restrict__ gy, const T* __restrict__ weight, T* __restrict__ gx, Conv2d g)
{
    // seek to the block's class and tile, and to the pixels that this thread fetches
    __shared__ Buffers<BK> shared;
    const int Cg = g.Cg(), Kg = g.Kg(), group = blockIdx.z % g.groups, kind = blockIdx.z / g.groups;
    const int class_h = kind / g.stride_w, class_w = kind % g.stride_w;
    const int rows = ceil_div(g.H - class_h, g.stride_h), cols = ceil_div(g.W - class_w, g.stride_w);  // of this class
    const int M = rows > 0 && cols > 0 ? g.N * rows * cols : 0;
    const int first_row = blockIdx.x * BM, first_column = blockIdx.y * BN;
    if (first_row >= M) return;  // the whole block, so no barrier is missed
    int sample[LOADS], h[LOADS], w[LOADS];
#pragma unroll
    for (int l = 0; l < LOADS; ++l) {
        const int m = first_row + (threadIdx.x + l * THREADS) / 2;
        sample[l] = m < M ? m / (rows * cols) : -1;
        h[l] = m / cols % rows, w[l] = m % cols;
    }

    // combine
    const T* filters = weight + (i64)group * Kg * g.R * g.S * Cg;
    const Operands operands = {gy + group * Kg, filters, g.P, g.Q, g.K, Kg, Cg, g.R * g.S, Cg};
    const int above = class_h + g.pad_h, left = class_w + g.pad_w;
    Taps taps = {g.R, g.S, g.stride_h, g.stride_w, g.dil_h, g.dil_w, above, left, 0, 0, 0, 0, 0};
    if (!taps.meets()) taps.next();
    const Corner at;
    ACC sums[8][8] = {};
    gemm<false>(operands, taps, sample, h, w, first_column, shared, at, sums);

    // write
    store_tile(sums, at, first_row, M, first_column, Cg, true, [&](int m) {
        const int n = m / (rows * cols);
        const int y = class_h + m / cols % rows * g.stride_h, x = class_w + m % cols * g.stride_w;
        return gx + (((i64)n * g.H + y) * g.W + x) * g.C + group * Cg;
    });
}
