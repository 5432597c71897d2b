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
#include "adaptive.cuh"

extern "C" __global__ void adaptive_max_pool2d_backward(const T* gy, const int* index, T* gx, Pool2d g)
{
    const Place at(thread_index(), g.N, g.C, g.H, g.W);
    if (!at.real) return;
    const i64 outputs = g.output(at.n, at.c);

    ACC sum = 0;
    for (int p = first_over(at.h, g.H, g.P); p < end_over(at.h, g.H, g.P); ++p) {
        for (int q = first_over(at.w, g.W, g.Q); q < end_over(at.w, g.W, g.Q); ++q) {
            const i64 out = outputs + (p * g.Q + q) * g.step();
            if (index[out] == at.h * g.W + at.w) sum += load(gy + out);
        }
    }
    store(gx + at.own, sum);
}
