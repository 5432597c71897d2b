/*
conv2d forward for first layers (C <= 4) and for channel counts that 16-byte accesses cannot take: implicit GEMM through
shared memory, its depth one axis (r,s,c).

math:     y[n,k,p,q] = b[k] + sum over r,s,c of x[n, c, p*stride_h - pad_h + r*dil_h, q*stride_w - pad_w + s*dil_w] * w[k,c,r,s]
layout:   x (N,H,W,C), y (N,P,Q,K), w (R,S,C/groups,K), row-major; b (K)
threads:  a block owns BM pixels x BN filters of one group (blockIdx.z), a thread 8x8 of them; a thread fetches one pixel
shared:   4*2*8*(BM + BN)
flops:    2*N*P*Q*K*(C//G)*R*S
bytes:    e*(N*H*W*C + N*P*Q*K + K*(C//G)*R*S)
requires: float32, float16 or bfloat16; N*P*Q below 2^31
numerics: one running sum in float an output, in the order r, s, c
optional: b
*/
#include "gather.cuh"

extern "C" __global__ void __launch_bounds__(THREADS, BLOCKS) conv2d_gather_forward(
    const T* __restrict__ x, const T* __restrict__ w, const T* __restrict__ b, T* __restrict__ y,
    int N, int C, int H, int W, int K, int R, int S, int P, int Q,
    int stride_h, int stride_w, int pad_h, int pad_w, int dil_h, int dil_w, int groups)
{
    __shared__ Buffers shared;
    const int Cg = C / groups, Kg = K / groups, g = blockIdx.z, M = N * P * Q;
    const int first_row = blockIdx.x * BM, first_column = blockIdx.y * BN, m = first_row + threadIdx.x % BM;
    const i64 image = m < M ? (i64)(m / (P * Q)) * H * W * C : -1;
    const int top = m / Q % P * stride_h - pad_h, left = m % Q * stride_w - pad_w;
    const auto place = [&](int r, int s, int& h, int& v) { h = top + r * dil_h, v = left + s * dil_w; };

    const Operands operands = {x + g * Cg, w + g * Kg, H, W, C, Cg, Kg, R * S, S, Cg * K, K};
    const Corner at;
    ACC sums[8][8] = {};
    gemm(operands, place, image, first_column, shared, at, sums);

#pragma unroll
    for (int i = 0; i < 8; ++i) {
        const int row = first_row + at.row_of(i);
#pragma unroll
        for (int group = 0; group < 2; ++group) {
            const int k = first_column + at.col_of(group);
            if (row >= M || k >= Kg) continue;
            ACC* four = &sums[i][group * 4];
#pragma unroll
            for (int j = 0; j < 4; ++j) four[j] += b && k + j < Kg ? load(b + g * Kg + k + j) : (ACC)0;
            store_four(y + (i64)row * K + g * Kg + k, four, Kg - k, Kg % 4 == 0);
        }
    }
}
