/*
conv gradient of the bias: column sums of gy seen as a matrix, M = N*P*Q rows, K columns, in J parts of the rows.

math:     gb[k] = sum of gy[m,k] over the rows m
layout:   gy (M,K), parts (J,K), row-major; gb (K); tickets (K/32, rounded up)
threads:  256 a block: 32 columns (blockIdx.x = columns, part) x 8 rows, which take turns at the rows of the block's part; the
          block that comes last for its columns adds the parts
shared:   8*32*4 if e < 8 else 8*32*8
flops:    M*K
bytes:    e*M*K
requires: none
numerics: sums in ACC in a fixed order: the same bits at every run
optional: parts tickets
*/
#include "../tensor/ticket.cuh"

// The sum of a column's eight threads, part by part or row by row, in those of the first row.
__device__ __forceinline__ ACC add_rows(ACC (&sums)[8][32], ACC sum) {
    const int column = threadIdx.x % 32, row = threadIdx.x / 32;
    __syncthreads();  // the sums before these have been read
    sums[row][column] = sum;
    __syncthreads();
    for (int j = 1; row == 0 && j < 8; ++j) sum += sums[j][column];
    return sum;
}

extern "C" __global__ void conv2d_naive_grad_bias(const T* gy, ACC* parts, T* gb, int* tickets, int J, i64 M, int K)
{
    // seek to this thread's column, and the block's part of the rows
    __shared__ ACC sums[8][32];
    const int k = blockIdx.x / J * 32 + threadIdx.x % 32, part = blockIdx.x % J, row = threadIdx.x / 32;
    const i64 each = (M + J - 1) / J;
    const i64 end = (part + 1) * each < M ? (part + 1) * each : M;

    // combine every eighth row
    ACC sum = 0;
    if (k < K) {
        for (i64 m = part * each + row; m < end; m += 8) sum += load(gy + m * K + k);
    }
    sum = add_rows(sums, sum);

    // join the parts
    if (J > 1) {
        if (row == 0 && k < K) parts[(i64)part * K + k] = sum;
        if (!drew_last(tickets + blockIdx.x / J, J)) return;
        sum = 0;
        for (int j = row; k < K && j < J; j += 8) sum += parts[(i64)j * K + k];
        sum = add_rows(sums, sum);
    }

    // write
    if (row == 0 && k < K) store(gb + k, sum);
}
