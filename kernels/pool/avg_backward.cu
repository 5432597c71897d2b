/*
Average pooling backward: every input element gathers its share from the windows that cover it.

math:     gx[n,c,h,w] = sum over the windows (p,q) that cover (h,w) of gy[n,c,p,q] / cells(p,q)
layout:   gy (N,C,P,Q), gx (N,C,H,W), both channels-last (NHWC=1) or both row-major (NHWC=0)
threads:  a thread owns VEC channels of one input position, in memory order
shared:   0
flops:    2*N*C*P*Q*R*S
bytes:    e*N*C*(H*W + P*Q)
requires: dilation 1; one sample below 2^31 elements; VEC > 1 needs NHWC and C % VEC = 0
numerics: sums in ACC, by p, then q
*/
#include "plane.cuh"
#include "average.cuh"

extern "C" __global__ void avg_pool2d_backward(
    const T* gy, T* gx,
    int N, int C, int H, int W, int R, int S, int P, int Q,
    int stride_h, int stride_w, int pad_h, int pad_w, int count_include_pad)
{
    const Place at = place_of(thread_index(), N, C, H, W);
    if (!at.real) return;
    const T* outputs = gy + plane_start(at.n, at.c, C, P, Q);
    const int step = plane_step(C);
    const int h = at.h + pad_h, v = at.w + pad_w;  // counted from the start of the padding

    ACC sum[VEC] = {};
    for (int p = larger(ceil_div(h - R + 1, stride_h), 0); p < smaller(h / stride_h + 1, P); ++p) {
        const int rows = cells(p * stride_h - pad_h, R, H, pad_h, count_include_pad);
        for (int q = larger(ceil_div(v - S + 1, stride_w), 0); q < smaller(v / stride_w + 1, Q); ++q) {
            const ACC count = (ACC)rows * cells(q * stride_w - pad_w, S, W, pad_w, count_include_pad);
            ACC value[VEC];
            load_channels<VEC>(outputs + (p * Q + q) * step, value);
#pragma unroll
            for (int j = 0; j < VEC; ++j) sum[j] += value[j] / count;
        }
    }
    store_channels<VEC>(gx + plane_start(at.n, at.c, C, H, W) + (at.h * W + at.w) * step, sum);
}
