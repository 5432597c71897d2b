/*
Max pooling forward: the maximum and its position in the window.

math:     y[n,c,p,q] = max over r,s inside the input of x[n, c, p*stride_h - pad_h + r*dil_h, q*stride_w - pad_w + s*dil_w];
          index = r*S + s
layout:   x (N,C,H,W), y and index (N,C,P,Q), all channels-last (NHWC=1) or all row-major (NHWC=0)
threads:  a thread owns VEC channels of one output position, in memory order
shared:   0
flops:    N*C*P*Q*R*S
bytes:    e*N*C*(H*W + P*Q) + I*N*C*P*Q
requires: one sample below 2^31 elements; INDEX is one byte up to 256 positions, two beyond; VEC > 1 needs NHWC and C % VEC = 0
numerics: exact; the first maximum wins, the last NaN beats every number (as in PyTorch)
optional: index
*/
#include "plane.cuh"

extern "C" __global__ void max_pool2d_forward(const T* x, T* y, INDEX* index, Pool2d g)
{
    // seek
    const Place at(thread_index(), g.N, g.C, g.P, g.Q);
    if (!at.real) return;
    const T* plane = x + g.input(at.n, at.c);

    // combine
    ACC best[VEC];  // a dilated window may lie outside the input altogether: its maximum is -inf
#pragma unroll
    for (int j = 0; j < VEC; ++j) best[j] = __uint_as_float(0xff800000u);
    Indices<INDEX> winner = {};
    bool first = true;
    for (int r = 0; r < g.R; ++r) {
        for (int s = 0; s < g.S; ++s) {
            const int h = g.row(at.h, r), w = g.col(at.w, s);
            if (!g.inside(h, w)) continue;
            ACC value[VEC];
            load_channels<VEC>(plane + (h * g.W + w) * g.step(), value);
#pragma unroll
            for (int j = 0; j < VEC; ++j) {
                if (first || value[j] > best[j] || value[j] != value[j]) {
                    best[j] = value[j], winner.item[j] = r * g.S + s;
                }
            }
            first = false;
        }
    }

    // write
    store_channels<VEC>(y + at.own, best);
    if (index) store_indices(index + at.own, winner);
}
