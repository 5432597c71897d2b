/*
Average pooling forward.

math:     y[n,c,p,q] = sum over r,s inside the input of x[n, c, p*stride_h - pad_h + r, q*stride_w - pad_w + s] / cells(p,q)
layout:   x (N,C,H,W), y (N,C,P,Q), both channels-last (NHWC=1) or both row-major (NHWC=0)
threads:  a thread owns VEC channels of one output position, in memory order
shared:   0
flops:    N*C*P*Q*R*S
bytes:    e*N*C*(H*W + P*Q)
requires: dilation 1; one sample below 2^31 elements; VEC > 1 needs NHWC and C % VEC = 0
numerics: sums in ACC, by r, then s
*/
#include "plane.cuh"
#include "average.cuh"

extern "C" __global__ void avg_pool2d_forward(
    const T* x, T* y,
    int N, int C, int H, int W, int R, int S, int P, int Q,
    int stride_h, int stride_w, int pad_h, int pad_w, int count_include_pad)
{
    const Place at = place_of(thread_index(), N, C, P, Q);
    if (!at.real) return;
    const T* plane = x + plane_start(at.n, at.c, C, H, W);
    const int step = plane_step(C);
    const int top = at.h * stride_h - pad_h, left = at.w * stride_w - pad_w;

    ACC sum[VEC] = {};
    for (int h = larger(top, 0); h < smaller(top + R, H); ++h) {
        for (int v = larger(left, 0); v < smaller(left + S, W); ++v) {
            ACC value[VEC];
            load_channels<VEC>(plane + (h * W + v) * step, value);
#pragma unroll
            for (int j = 0; j < VEC; ++j) sum[j] += value[j];
        }
    }
    const ACC count = (ACC)cells(top, R, H, pad_h, count_include_pad) * cells(left, S, W, pad_w, count_include_pad);
#pragma unroll
    for (int j = 0; j < VEC; ++j) sum[j] /= count;
    store_channels<VEC>(y + plane_start(at.n, at.c, C, P, Q) + (at.h * Q + at.w) * step, sum);
}
