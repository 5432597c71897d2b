/*
conv2d forward, shared: a block reads 16 pixels and 16 filters once, into shared memory, and uses each 16 times.
naive_forward.cu reads every pixel once for each filter, and every filter once for each pixel.

math:     y[n,k,p,q] = bias[k] + sum over r,s,c of x[n,c,h,w] * weight[k,c,r,s], h = p*stride_h - pad_h + r*dil_h,
          w = q*stride_w - pad_w + s*dil_w, inside x, + residual[n,k,p,q]; then the activation that g names
layout:   x (N,H,W,C), y, residual (N,P,Q,K), weight (K,R,S,C/groups), row-major; bias (K)
threads:  a block owns 16 pixels x 16 filters of one group (blockIdx.z), a thread one of the sums
shared:   (16*16 + 16*17)*(4 if e < 8 else 8)
flops:    2*N*P*Q*K*(C//G)*R*S
bytes:    e*(N*H*W*C + N*P*Q*K + K*(C//G)*R*S)
requires: N*P*Q below 2^31
numerics: one running sum in ACC, in the order r, s, c
optional: bias residual
*/
#include "im2col.cuh"

#define TILE 16

extern "C" __global__ void __launch_bounds__(256) conv2d_shared_forward(
    const T* __restrict__ x, const T* __restrict__ weight, const T* __restrict__ bias, const T* __restrict__ residual,
    T* __restrict__ y, Conv2d g)
{
    // seek to this thread's pixel and filter
    __shared__ ACC pixels[TILE][TILE], filters[TILE][TILE + 1];  // +1: a column of filters is on 16 banks, not on two
    const int row = threadIdx.y, col = threadIdx.x, group = blockIdx.z, D = g.R * g.S * g.Cg();
    const int first_pixel = blockIdx.x * TILE, first_filter = blockIdx.y * TILE;
    const int m = first_pixel + row, k = first_filter + col;

    // combine, 16 places of the window at a time
    ACC sum = 0;
    for (int d = 0; d < D; d += TILE) {
        pixels[row][col] = im2col(x, g, group, m, d + col);  // neighbours read along the channels
        filters[row][col] = filter(weight, g, group, first_filter + row, d + col);
        __syncthreads();  // all are there
#pragma unroll
        for (int i = 0; i < TILE; ++i) sum += pixels[row][i] * filters[col][i];
        __syncthreads();  // all are used
    }

    // write
    if (m >= g.N * g.P * g.Q || k >= g.Kg()) return;
    const int channel = group * g.Kg() + k;
    if (bias) sum += load(bias + channel);
    const i64 at = (i64)m * g.K + channel;
    if (residual) sum += load(residual + at);
    store(y + at, activated(sum, g.activation));
}
