/*
Max pooling backward: every input element gathers from the windows that it won. No atomics, so deterministic.

math:     gx[n,c,h,w] = sum of gy[n,c,p,q] over the windows (p,q) whose index names (h,w)
layout:   gy and index (N,C,P,Q), gx (N,C,H,W), all channels-last (NHWC=1) or all row-major (NHWC=0)
threads:  a thread owns VEC channels of one input position, in memory order
shared:   0
flops:    N*C*P*Q
bytes:    e*N*C*(H*W + P*Q) + I*N*C*P*Q
requires: one sample below 2^31 elements; VEC > 1 needs NHWC and C % VEC = 0
numerics: sums in ACC, by r, then s
*/
#include "plane.cuh"

extern "C" __global__ void max_pool2d_backward(
    const T* gy, const INDEX* index, T* gx,
    int N, int C, int H, int W, int R, int S, int P, int Q,
    int stride_h, int stride_w, int pad_h, int pad_w, int dil_h, int dil_w)
{
    const Place at = place_of(thread_index(), N, C, H, W);
    if (!at.real) return;
    const i64 outputs = plane_start(at.n, at.c, C, P, Q);
    const int step = plane_step(C);

    ACC sum[VEC] = {};
    for (int r = 0; r < R; ++r) {
        const int above = at.h + pad_h - r * dil_h;  // p * stride_h of the window in which (h, w) is at row r
        if (above < 0 || above % stride_h || above / stride_h >= P) continue;
        for (int s = 0; s < S; ++s) {
            const int left = at.w + pad_w - s * dil_w;
            if (left < 0 || left % stride_w || left / stride_w >= Q) continue;
            const i64 out = outputs + (above / stride_h * Q + left / stride_w) * step;
            const Indices<INDEX> winner = *reinterpret_cast<const Indices<INDEX>*>(index + out);
            ACC value[VEC];
            load_channels<VEC>(gy + out, value);
#pragma unroll
            for (int j = 0; j < VEC; ++j) {
                if (winner.item[j] == r * S + s) sum[j] += value[j];
            }
        }
    }
    store_channels<VEC>(gx + plane_start(at.n, at.c, C, H, W) + (at.h * W + at.w) * step, sum);
}
