/*
Adaptive average pooling forward: the window of output p is floor(p*H/P) up to ceil((p+1)*H/P).

math:     y[n,c,o,p,q] = mean of x[n,c,d,h,w] over the window of (o,p,q)
layout:   x (N,C,D,H,W), y (N,C,O,P,Q), both channels-last (NHWC=1) or both row-major (NHWC=0)
threads:  a thread owns VEC channels of one output position, in memory order
shared:   0
flops:    N*C*D*H*W
bytes:    e*N*C*(D*H*W + O*P*Q)
requires: one sample below 2^31 elements; VEC > 1 needs NHWC and C % VEC = 0
numerics: sums in ACC, by d, then h, then w
*/
#include "adaptive.cuh"

extern "C" __global__ void adaptive_avg_pool_forward(const T* x, T* y, Adaptive g)
{
    const Spot at(thread_index(), g, g.O, g.P, g.Q);
    if (!at.real) return;
    const Cell cell(at, g);

    ACC sum[VEC] = {};
    cell.over(x + at.base(g, g.D * g.H * g.W), g, [&](const ACC (&value)[VEC], int) {
#pragma unroll
        for (int j = 0; j < VEC; ++j) sum[j] += value[j];
    });
#pragma unroll
    for (int j = 0; j < VEC; ++j) sum[j] /= cell.count;
    store_channels<VEC>(y + at.own, sum);
}
