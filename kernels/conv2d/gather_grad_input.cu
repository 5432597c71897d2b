/*
conv2d gradient of the input for channel counts that 16-byte accesses cannot take: the gathering forward's
multiplication on gy. At stride > 1 it fetches zeros for taps that meet no output.

math:     gx[n,c,h,v] = sum over r,s,k of gy[n,k,p,q] * w[k,c,r,s] where p*stride_h - pad_h + r*dil_h = h, and q likewise
layout:   gy (N,P,Q,K), gx (N,H,W,C), w (R,S,K,C/groups), row-major
threads:  a block owns BM pixels x BN channels of one group (blockIdx.z), a thread 8x8 of them; a thread fetches one pixel
shared:   4*2*8*(BM + BN)
flops:    2*N*P*Q*K*(C//G)*R*S
bytes:    e*(N*H*W*C + N*P*Q*K + K*(C//G)*R*S)
requires: float32, float16 or bfloat16; N*H*W below 2^31
numerics: one running sum in float an output, in the order r, s, k
*/
#include "gather.cuh"

extern "C" __global__ void __launch_bounds__(THREADS, BLOCKS) conv2d_gather_grad_input(
    const T* __restrict__ gy, const T* __restrict__ w, T* __restrict__ gx,
    int N, int C, int H, int W, int K, int R, int S, int P, int Q,
    int stride_h, int stride_w, int pad_h, int pad_w, int dil_h, int dil_w, int groups)
{
    __shared__ Buffers shared;
    const int Cg = C / groups, Kg = K / groups, g = blockIdx.z, M = N * H * W;
    const int first_row = blockIdx.x * BM, first_column = blockIdx.y * BN, m = first_row + threadIdx.x % BM;
    const i64 image = m < M ? (i64)(m / (H * W)) * P * Q * K : -1;
    const int above = m / W % H + pad_h, before = m % W + pad_w;
    const auto place = [&](int r, int s, int& p, int& q) {
        const int y = above - r * dil_h, x = before - s * dil_w;
        p = y >= 0 && y % stride_h == 0 ? y / stride_h : -1, q = x >= 0 && x % stride_w == 0 ? x / stride_w : -1;
    };

    const Operands operands = {gy + g * Kg, w + (i64)g * Kg * Cg, P, Q, K, Kg, Cg, R * S, S, K * Cg, Cg};
    const Corner at;
    ACC sums[8][8] = {};
    gemm(operands, place, image, first_column, shared, at, sums);

#pragma unroll
    for (int i = 0; i < 8; ++i) {
        const int row = first_row + at.row_of(i);
#pragma unroll
        for (int group = 0; group < 2; ++group) {
            const int c = first_column + at.col_of(group);
            if (row >= M || c >= Cg) continue;
            store_four(gx + (i64)row * C + g * Cg + c, &sums[i][group * 4], Cg - c, Cg % 4 == 0);
        }
    }
}
