/*
The gradients of gamma and beta, from the parts that blocks left.

math:     ggamma[l] = sum over j of parts[j,0,l], gbeta[l] = sum over j of parts[j,1,l]
layout:   parts (J,2,L); ggamma, gbeta (L)
threads:  a block 32 columns of (2*L), eight threads a column, each four lanes of parts, which are in flight at once
shared:   256*(4 if e < 8 else 8)
flops:    2*J*L
bytes:    2*J*L*(4 if e < 8 else 8) + 2*e*L
requires: 256 threads a block
numerics: lane l of 32 takes parts l, l + 32, ..., in order; then lanes by a fixed tree
*/
#include "../common.cuh"

extern "C" __global__ void __launch_bounds__(256) join_parts(const ACC* parts, T* ggamma, T* gbeta, int J, int L)
{
    __shared__ ACC room[256];
    const i64 column = (i64)blockIdx.x * 32 + threadIdx.x % 32, width = 2 * (i64)L;
    ACC lane[4] = {};
    for (int j = threadIdx.x / 32 * 4; j < J && column < width; j += 32) {
#pragma unroll
        for (int l = 0; l < 4; ++l)
            if (j + l < J) lane[l] += parts[(j + l) * width + column];
    }
    room[threadIdx.x] = (lane[0] + lane[1]) + (lane[2] + lane[3]);
    __syncthreads();
    if (threadIdx.x >= 32 || column >= width) return;
    ACC sum = 0;
    for (int eighth = 0; eighth < 8; ++eighth) sum += room[eighth * 32 + threadIdx.x];
    store(column < L ? ggamma + column : gbeta + (column - L), sum);
}
