/*
Adaptive average pooling forward: the window of output p is floor(p*H/P) up to ceil((p+1)*H/P).

math:     y[n,c,p,q] = mean of x[n,c,h,w] over the window of (p,q)
layout:   x (N,C,H,W), y (N,C,P,Q), both channels-last (NHWC=1) or both row-major (NHWC=0)
threads:  a thread owns VEC channels of one output position, in memory order
shared:   0
flops:    N*C*H*W
bytes:    e*N*C*(H*W + P*Q)
requires: one sample below 2^31 elements; VEC > 1 needs NHWC and C % VEC = 0
numerics: sums in ACC, by h, then w
*/
#include "plane.cuh"
#include "adaptive.cuh"

extern "C" __global__ void adaptive_avg_pool2d_forward(
    const T* x, T* y, int N, int C, int H, int W, int P, int Q)
{
    const Place at = place_of(thread_index(), N, C, P, Q);
    if (!at.real) return;
    const T* plane = x + plane_start(at.n, at.c, C, H, W);
    const int step = plane_step(C);
    const int top = start(at.h, H, P), bottom = stop(at.h, H, P), left = start(at.w, W, Q), right = stop(at.w, W, Q);

    ACC sum[VEC] = {};
    for (int h = top; h < bottom; ++h) {
        for (int v = left; v < right; ++v) {
            ACC value[VEC];
            load_channels<VEC>(plane + (h * W + v) * step, value);
#pragma unroll
            for (int j = 0; j < VEC; ++j) sum[j] += value[j];
        }
    }
    const ACC count = (ACC)(bottom - top) * (right - left);
#pragma unroll
    for (int j = 0; j < VEC; ++j) sum[j] /= count;
    store_channels<VEC>(y + plane_start(at.n, at.c, C, P, Q) + (at.h * Q + at.w) * step, sum);
}
