/*
Adaptive average pooling backward: every input element gathers its share from the windows that cover it.

math:     gx[n,c,h,w] = sum over the windows (p,q) that cover (h,w) of gy[n,c,p,q] / elements of the window
layout:   gy (N,C,P,Q), gx (N,C,H,W), both channels-last (NHWC=1) or both row-major (NHWC=0)
threads:  a thread owns VEC channels of one input position, in memory order
shared:   0
flops:    2*N*C*H*W
bytes:    e*N*C*(H*W + P*Q)
requires: one sample below 2^31 elements; VEC > 1 needs NHWC and C % VEC = 0
numerics: sums in ACC, by p, then q
*/
#include "plane.cuh"
#include "adaptive.cuh"

extern "C" __global__ void adaptive_avg_pool2d_backward(
    const T* gy, T* gx, int N, int C, int H, int W, int P, int Q)
{
    const Place at = place_of(thread_index(), N, C, H, W);
    if (!at.real) return;
    const T* outputs = gy + plane_start(at.n, at.c, C, P, Q);
    const int step = plane_step(C);

    ACC sum[VEC] = {};
    for (int p = first_over(at.h, H, P); p < end_over(at.h, H, P); ++p) {
        const int rows = stop(p, H, P) - start(p, H, P);
        for (int q = first_over(at.w, W, Q); q < end_over(at.w, W, Q); ++q) {
            const ACC count = (ACC)rows * (stop(q, W, Q) - start(q, W, Q));
            ACC value[VEC];
            load_channels<VEC>(outputs + (p * Q + q) * step, value);
#pragma unroll
            for (int j = 0; j < VEC; ++j) sum[j] += value[j] / count;
        }
    }
    store_channels<VEC>(gx + plane_start(at.n, at.c, C, H, W) + (at.h * W + at.w) * step, sum);
}
