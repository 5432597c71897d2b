/*
conv2d forward, tiled: implicit GEMM through shared memory, fp32 multiply-add.

math:     y[n,k,p,q] = bias[k] + sum over r,s,c of x[n,c,h,w] * weight[k,c,r,s], h = p*stride_h - pad_h + r*dil_h,
          w = q*stride_w - pad_w + s*dil_w, inside x, + residual[n,k,p,q]; then the activation that g names
layout:   x (N,H,W,C), y, residual (N,P,Q,K), weight (K,R,S,C/groups), row-major; bias (K)
threads:  a block owns BM pixels x BN filters of one group (blockIdx.z), a thread 8x8 of them
shared:   4*2*2*V*(BM + BN)
flops:    2*N*P*Q*K*(C//G)*R*S
bytes:    e*(N*H*W*C + N*P*Q*K + K*(C//G)*R*S)
requires: C/groups and K/groups multiples of V = 16/e; aligned arrays; float32, float16 or bfloat16; N*P*Q below 2^31
numerics: one running sum in float an output, in the order r, s, c
optional: bias residual
*/
#include "tiled.cuh"

struct Taps {
    int R, S, dil_h, dil_w, r, s, number, dh, dw;
    __device__ __forceinline__ bool real() const { return r < R; }
    __device__ __forceinline__ void next() {
        ++number, ++s, dw += dil_w;
        if (s == S) s = 0, dw = 0, ++r, dh += dil_h;
    }
};

extern "C" __global__ void __launch_bounds__(THREADS, BLOCKS) conv2d_tiled_forward(
    const T* __restrict__ x, const T* __restrict__ weight, const T* __restrict__ bias, const T* __restrict__ residual,
    T* __restrict__ y, Conv2d g)
{
    // seek to the block's tile, and to the pixels that this thread fetches
    __shared__ Buffers<BK> shared;
    const int Cg = g.Cg(), Kg = g.Kg(), first_filter = blockIdx.z * Kg, M = g.N * g.P * g.Q;
    const int first_row = blockIdx.x * BM, first_column = blockIdx.y * BN;
    int sample[LOADS], h[LOADS], w[LOADS];
#pragma unroll
    for (int l = 0; l < LOADS; ++l) {
        const int m = first_row + (threadIdx.x + l * THREADS) / 2;
        sample[l] = m < M ? m / (g.P * g.Q) : -1;
        h[l] = g.row(m / g.Q % g.P, 0), w[l] = g.col(m % g.Q, 0);
    }

    // combine
    const T* filters = weight + (i64)first_filter * g.R * g.S * Cg;
    const Operands operands = {x + blockIdx.z * Cg, filters, g.H, g.W, g.C, Cg, Kg, g.R * g.S, Cg};
    const Corner at;
    ACC sums[8][8] = {};
    gemm<true>(operands, Taps{g.R, g.S, g.dil_h, g.dil_w, 0, 0, 0, 0, 0}, sample, h, w, first_column, shared, at, sums);

    // write
    if (bias) add_bias(bias + first_filter, first_column, Kg, at, sums);
    if (residual) add_rows(residual + first_filter, g.K, at, first_row, M, first_column, Kg, true, sums);
    activate(sums, g.activation);
    T* out = y + first_filter;
    store_tile(sums, at, first_row, M, first_column, Kg, true, [&](int m) { return out + (i64)m * g.K; });
}
