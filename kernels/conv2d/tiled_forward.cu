/*
conv2d forward, tiled: implicit GEMM through shared memory, fp32 multiply-add.

math:     y[n,k,p,q] = b[k] + sum over r,s,c of x[n, c, p*stride_h - pad_h + r*dil_h, q*stride_w - pad_w + s*dil_w] * w[k,c,r,s]
layout:   x (N,H,W,C), y (N,P,Q,K), w (R,S,C/groups,K), row-major; b (K)
threads:  a block owns BM pixels x BN filters of one group (blockIdx.z), a thread 8x8 of them
shared:   4*2*2*V*(BM + BN)
flops:    2*N*P*Q*K*(C//G)*R*S
bytes:    e*(N*H*W*C + N*P*Q*K + K*(C//G)*R*S)
requires: C/groups and K/groups multiples of V = 16/e; aligned arrays; float32, float16 or bfloat16; N*P*Q below 2^31
numerics: one running sum in float an output, in the order r, s, c
optional: b
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
    const T* __restrict__ x, const T* __restrict__ w, const T* __restrict__ b, T* __restrict__ y,
    int N, int C, int H, int W, int K, int R, int S, int P, int Q,
    int stride_h, int stride_w, int pad_h, int pad_w, int dil_h, int dil_w, int groups)
{
    __shared__ Buffers shared;
    const int Cg = C / groups, Kg = K / groups, g = blockIdx.z, M = N * P * Q;
    const int first_row = blockIdx.x * BM, first_column = blockIdx.y * BN;

    int sample[LOADS], h[LOADS], v[LOADS];
#pragma unroll
    for (int l = 0; l < LOADS; ++l) {
        const int m = first_row + (threadIdx.x + l * THREADS) / 2;
        sample[l] = m < M ? m / (P * Q) : -1;
        h[l] = m / Q % P * stride_h - pad_h, v[l] = m % Q * stride_w - pad_w;
    }
    const Operands operands = {x + g * Cg, w + g * Kg, H, W, C, Cg, Kg, Cg * K, K};
    const Corner at;
    ACC sums[8][8] = {};
    gemm(operands, Taps{R, S, dil_h, dil_w, 0, 0, 0, 0, 0}, sample, h, v, first_column, shared, at, sums);

#pragma unroll
    for (int i = 0; i < 8; ++i) {
        const int m = first_row + at.row_of(i);
#pragma unroll
        for (int group = 0; group < 2; ++group) {
            const int k = first_column + at.col_of(group);
            if (m >= M || k >= Kg) continue;
            ACC* four = &sums[i][group * 4];
#pragma unroll
            for (int j = 0; j < 4; ++j) four[j] += b ? load(b + g * Kg + k + j) : (ACC)0;
            store_four(y + (i64)m * K + g * Kg + k, four, 4, true);
        }
    }
}
