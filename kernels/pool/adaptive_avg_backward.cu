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
#include "adaptive.cuh"

extern "C" __global__ void adaptive_avg_pool2d_backward(const T* gy, T* gx, Pool2d g)
{
    const Place at(thread_index(), g.N, g.C, g.H, g.W);
    if (!at.real) return;
    const T* outputs = gy + g.output(at.n, at.c);

    ACC sum[VEC] = {};
    for (int p = first_over(at.h, g.H, g.P); p < end_over(at.h, g.H, g.P); ++p) {
        const int rows = stop(p, g.H, g.P) - start(p, g.H, g.P);
        for (int q = first_over(at.w, g.W, g.Q); q < end_over(at.w, g.W, g.Q); ++q) {
            const ACC count = (ACC)rows * (stop(q, g.W, g.Q) - start(q, g.W, g.Q));
            add_part(outputs + (p * g.Q + q) * g.step(), count, sum);
        }
    }
    store_channels<VEC>(gx + at.own, sum);
}
