/*
Adaptive max pooling forward: the maximum and its place in its window.

math:     y[n,c,o,p,q] = max of x[n,c,d,h,w] over the window floor(p*H/P) .. ceil((p+1)*H/P), and o, q likewise;
          index = (a*R + r)*S + s, counted from the window's first element, R and S those of the largest window
layout:   x (N,C,D,H,W), y and index (N,C,O,P,Q), all channels-last (NHWC=1) or all row-major (NHWC=0)
threads:  a thread owns VEC channels of one output position, in memory order
shared:   0
flops:    N*C*D*H*W
bytes:    e*N*C*(D*H*W + O*P*Q) + I*N*C*O*P*Q
requires: one sample below 2^31 elements; VEC > 1 needs NHWC and C % VEC = 0
numerics: exact; the first maximum wins, the last NaN beats every number
optional: index
*/
#include "adaptive.cuh"

extern "C" __global__ void adaptive_max_pool_forward(const T* x, T* y, INDEX* index, Adaptive g)
{
    const Spot at(thread_index(), g, g.O, g.P, g.Q);
    if (!at.real) return;
    const Cell cell(at, g);

    ACC best[VEC] = {};
    Indices<INDEX> winner = {};
    cell.over(x + at.base(g, g.D * g.H * g.W), g, [&](const ACC (&value)[VEC], int place) {
#pragma unroll
        for (int j = 0; j < VEC; ++j) {
            if (place == 0 || value[j] > best[j] || value[j] != value[j]) best[j] = value[j], winner.item[j] = place;
        }
    });
    store_channels<VEC>(y + at.own, best);
    if (index) store_indices(index + at.own, winner);
}
