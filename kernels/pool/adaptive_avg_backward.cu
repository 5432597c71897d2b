/*
Adaptive average pooling backward: every input element gathers its share from the windows that cover it.

math:     gx[n,c,d,h,w] = sum over the windows (o,p,q) that cover (d,h,w) of gy[n,c,o,p,q] / elements of the window
layout:   gy (N,C,O,P,Q), gx (N,C,D,H,W), both channels-last (NHWC=1) or both row-major (NHWC=0)
threads:  a thread owns VEC channels of one input position, in memory order
shared:   0
flops:    2*N*C*D*H*W
bytes:    e*N*C*(D*H*W + O*P*Q)
requires: one sample below 2^31 elements; VEC > 1 needs NHWC and C % VEC = 0
numerics: sums in ACC, by o, then p, then q
*/
#include "adaptive.cuh"

extern "C" __global__ void adaptive_avg_pool_backward(const T* gy, T* gx, Adaptive g)
{
    const Spot at(thread_index(), g, g.D, g.H, g.W);
    if (!at.real) return;
    const T* outputs = gy + at.base(g, g.O * g.P * g.Q);

    ACC sum[VEC] = {};
    covering(at, g, [&](int output, int o, int p, int q) {
        const int planes = stop(o, g.D, g.O) - start(o, g.D, g.O), rows = stop(p, g.H, g.P) - start(p, g.H, g.P);
        const ACC count = (ACC)(planes * rows) * (stop(q, g.W, g.Q) - start(q, g.W, g.Q));
        ACC value[VEC];
        load_channels<VEC>(outputs + output, value);
#pragma unroll
        for (int j = 0; j < VEC; ++j) sum[j] += value[j] / count;
    });
    store_channels<VEC>(gx + at.own, sum);
}
