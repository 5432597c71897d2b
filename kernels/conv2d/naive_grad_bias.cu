/*
conv gradient of the bias: column sums of gy seen as a matrix, M = N*P*Q rows, K columns.

math:     parts[j,k] = sum of gy[m,k] over the rows m of part j; reduce/sum_parts.cu adds the parts
layout:   gy (M,K), parts (gridDim.y,K), row-major
threads:  32 x 8 a block; threadIdx.x owns a column, threadIdx.y takes every eighth row of the block's part
shared:   8*32*4 if e < 8 else 8*32*8
flops:    M*K
bytes:    e*M*K
requires: none
numerics: sums in ACC in a fixed order: the same bits at every run
*/
#include "../common.cuh"

extern "C" __global__ void conv2d_naive_grad_bias(const T* gy, ACC* parts, i64 M, int K) {
    __shared__ ACC sums[8][32];
    const int k = blockIdx.x * 32 + threadIdx.x, row = threadIdx.y;
    const i64 each = (M + gridDim.y - 1) / gridDim.y;
    const i64 end = (blockIdx.y + 1) * each < M ? (blockIdx.y + 1) * each : M;

    ACC sum = 0;
    if (k < K) {
        for (i64 m = blockIdx.y * each + row; m < end; m += 8) sum += load(gy + m * K + k);
    }
    sums[row][threadIdx.x] = sum;
    __syncthreads();
    if (row == 0 && k < K) {
        for (int j = 1; j < 8; ++j) sum += sums[j][threadIdx.x];
        parts[(i64)blockIdx.y * K + k] = sum;
    }
}
