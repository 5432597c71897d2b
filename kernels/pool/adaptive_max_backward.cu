/*
Adaptive max pooling backward: every input element gathers from the windows that it won.

math:     gx[n,c,h,w] = sum of gy[n,c,p,q] over the windows (p,q) that cover (h,w) and whose index is h*W + w
layout:   gy and index (N,C,P,Q), gx (N,C,H,W), all channels-last (NHWC=1) or all row-major (NHWC=0)
threads:  a thread owns one input element, in memory order
shared:   0
flops:    N*C*P*Q
bytes:    e*N*C*(H*W + P*Q) + 4*N*C*P*Q
requires: one sample below 2^31 elements; VEC = 1
numerics: sums in ACC, by p, then q
*/
#include "plane.cuh"
#include "adaptive.cuh"

extern "C" __global__ void adaptive_max_pool2d_backward(
    const T* gy, const int* index, T* gx, int N, int C, int H, int W, int P, int Q)
{
    const Place at = place_of(thread_index(), N, C, H, W);
    if (!at.real) return;
    const i64 outputs = plane_start(at.n, at.c, C, P, Q);
    const int step = plane_step(C);

    ACC sum = 0;
    for (int p = first_over(at.h, H, P); p < end_over(at.h, H, P); ++p) {
        for (int q = first_over(at.w, W, Q); q < end_over(at.w, W, Q); ++q) {
            const i64 out = outputs + (p * Q + q) * step;
            if (index[out] == at.h * W + at.w) sum += load(gy + out);
        }
    }
    store(gx + plane_start(at.n, at.c, C, H, W) + (at.h * W + at.w) * step, sum);
}
