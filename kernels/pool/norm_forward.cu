/*
Norm pooling forward: each window's norm of order power.

math:     y[n,c,o,p,q] = (A*R*S / cells * sum over a,r,s of x[n,c,o*stride_d+a,p*stride_h+r,q*stride_w+s]^power)^(1/power),
          cells of them inside the input
layout:   x (N,C,D,H,W), y (N,C,O,P,Q), both channels-last (NHWC=1) or both row-major (NHWC=0)
threads:  a thread owns VEC channels of one output position, in memory order
shared:   0
flops:    2*N*C*O*P*Q*A*R*S
bytes:    e*N*C*(D*H*W + O*P*Q)
requires: no padding; one sample below 2^31 elements; VEC > 1 needs NHWC, C % VEC = 0 and power 1 or 2
numerics: sums in ACC, by a, then r, then s
*/
#include "norm.cuh"

extern "C" __global__ void norm_pool_forward(const T* x, T* y, Norm g, ACC power)
{
    const Spot at(thread_index(), g, g.O, g.P, g.Q);
    if (!at.real) return;
    const Cell cell = g.cell(at.d, at.h, at.w);

    ACC sum[VEC] = {};
    cell.over(x + at.base(g, g.D * g.H * g.W), g, [&](const ACC (&value)[VEC], int) {
#pragma unroll
        for (int j = 0; j < VEC; ++j) sum[j] += raised(value[j], power);
    });
    const ACC scale = g.scale(cell);
#pragma unroll
    for (int j = 0; j < VEC; ++j) sum[j] = root(sum[j] * scale, power);
    store_channels<VEC>(y + at.own, sum);
}
