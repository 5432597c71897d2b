/*
conv2d forward, blocked: a thread keeps 8x8 sums in registers, so that 16 numbers read feed 64 multiply-adds. In
shared_forward.cu two numbers read feed one, and shared memory is what the arithmetic waits for.

math:     y[n,k,p,q] = bias[k] + sum over r,s,c of x[n,c,h,w] * weight[k,c,r,s], h = p*stride_h - pad_h + r*dil_h,
          w = q*stride_w - pad_w + s*dil_w, inside x, + residual[n,k,p,q]; then the activation that g names
layout:   x (N,H,W,C), y, residual (N,P,Q,K), weight (K,R,S,C/groups), row-major; bias (K)
threads:  a block owns 64 pixels x 64 filters of one group (blockIdx.z), a thread 8x8 of the sums, 8 apart
shared:   2*8*(64 + 4)*(4 if e < 8 else 8)
flops:    2*N*P*Q*K*(C//G)*R*S
bytes:    e*(N*H*W*C + N*P*Q*K + K*(C//G)*R*S)
requires: N*P*Q below 2^31
numerics: one running sum in ACC, in the order r, s, c
optional: bias residual
*/
#include "im2col.cuh"

#define TILE 64
#define SIDE 8  // sums of a thread along a side, threads along a side, and depth of a step
#define PAD 4   // 8 places x 4 rows, which a warp stores at once, are on 32 banks

extern "C" __global__ void __launch_bounds__(64) conv2d_blocked_forward(
    const T* __restrict__ x, const T* __restrict__ weight, const T* __restrict__ bias, const T* __restrict__ residual,
    T* __restrict__ y, Conv2d g)
{
    // seek to this thread's pixels and filters
    __shared__ ACC pixels[SIDE][TILE + PAD], filters[SIDE][TILE + PAD];
    const int row = threadIdx.y, col = threadIdx.x, group = blockIdx.z, D = g.R * g.S * g.Cg();
    const int first_pixel = blockIdx.x * TILE, first_filter = blockIdx.y * TILE;

    // combine, 8 places of the window at a time
    ACC sums[SIDE][SIDE] = {};
    for (int d = 0; d < D; d += SIDE) {
#pragma unroll 1  // unrolled, the addresses of 16 loads would push the sums out of the registers
        for (int i = 0; i < SIDE; ++i) {
            const int at = row + i * SIDE;
            pixels[col][at] = im2col(x, g, group, first_pixel + at, d + col);
            filters[col][at] = filter(weight, g, group, first_filter + at, d + col);
        }
        __syncthreads();  // all are there
#pragma unroll
        for (int place = 0; place < SIDE; ++place) {
            ACC pixel[SIDE], weights[SIDE];
#pragma unroll
            for (int i = 0; i < SIDE; ++i) {
                pixel[i] = pixels[place][row + i * SIDE], weights[i] = filters[place][col + i * SIDE];
            }
#pragma unroll
            for (int i = 0; i < SIDE; ++i) {
#pragma unroll
                for (int j = 0; j < SIDE; ++j) sums[i][j] += pixel[i] * weights[j];
            }
        }
        __syncthreads();  // all are used
    }

    // write
#pragma unroll
    for (int i = 0; i < SIDE; ++i) {
        const int m = first_pixel + row + i * SIDE;
#pragma unroll
        for (int j = 0; j < SIDE; ++j) {
            const int k = first_filter + col + j * SIDE, channel = group * g.Kg() + k;
            if (m >= g.N * g.P * g.Q || k >= g.Kg()) continue;
            const i64 at = (i64)m * g.K + channel;
            ACC sum = bias ? sums[i][j] + load(bias + channel) : sums[i][j];
            if (residual) sum += load(residual + at);
            store(y + at, activated(sum, g.activation));
        }
    }
}
