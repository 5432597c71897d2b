/*
Adaptive max pooling backward: every input element gathers from the windows that it won.

math:     gx[n,c,d,h,w] = sum of gy[n,c,o,p,q] over the windows (o,p,q) that cover (d,h,w) and whose index names it
layout:   gy and index (N,C,O,P,Q), gx (N,C,D,H,W), all channels-last (NHWC=1) or all row-major (NHWC=0)
threads:  a thread owns VEC channels of one input position, in memory order
shared:   0
flops:    N*C*O*P*Q
bytes:    e*N*C*(D*H*W + O*P*Q) + I*N*C*O*P*Q
requires: one sample below 2^31 elements; VEC > 1 needs NHWC and C % VEC = 0
numerics: sums in ACC, by o, then p, then q
*/
#include "adaptive.cuh"

extern "C" __global__ void adaptive_max_pool_backward(const T* gy, const INDEX* index, T* gx, Adaptive g)
{
    const Spot at(thread_index(), g, g.D, g.H, g.W);
    if (!at.real) return;
    const i64 outputs = at.base(g, g.O * g.P * g.Q);

    ACC sum[VEC] = {};
    covering(at, g, [&](int output, int o, int p, int q) {
        const int mine = g.place(at.d - start(o, g.D, g.O), at.h - start(p, g.H, g.P), at.w - start(q, g.W, g.Q));
        const Indices<INDEX> winner = load_indices(index + outputs + output);
        ACC value[VEC];
        load_channels<VEC>(gy + outputs + output, value);
#pragma unroll
        for (int j = 0; j < VEC; ++j) {
            if (winner.item[j] == mine) sum[j] += value[j];
        }
    });
    store_channels<VEC>(gx + at.own, sum);
}
