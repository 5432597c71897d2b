/*
Max pooling forward: the maximum and its position in the window.

math:     y[n,c,o,p,q] = max over a,r,s inside the input of
          x[n, c, o*stride_d - pad_d + a*dil_d, p*stride_h - pad_h + r*dil_h, q*stride_w - pad_w + s*dil_w];
          index = (a*R + r)*S + s
layout:   x (N,C,D,H,W), y and index (N,C,O,P,Q), all channels-last (NHWC=1) or all row-major (NHWC=0)
threads:  a thread owns VEC channels of one output position, in memory order
shared:   0
flops:    N*C*O*P*Q*A*R*S
bytes:    e*N*C*(D*H*W + O*P*Q) + I*N*C*O*P*Q
requires: one sample below 2^31 elements; INDEX is one byte up to 256 positions, two beyond; VEC > 1 needs NHWC and C % VEC = 0
numerics: exact; the first maximum wins, the last NaN beats every number (as in PyTorch)
optional: index
*/
#include "plane.cuh"

extern "C" __global__ void max_pool2d_forward(const T* x, T* y, INDEX* index, Pool2d g)
{
    // seek
    const Place at(thread_index(), g.N, g.C, g.P, g.Q, g.O);
    if (!at.real) return;
    const T* plane = x + g.input(at.n, at.c);

    // combine
    ACC best[VEC];  // a dilated window may lie outside the input altogether: its maximum is -inf
#pragma unroll
    for (int j = 0; j < VEC; ++j) best[j] = __uint_as_float(0xff800000u);
    Indices<INDEX> winner = {};
    bool first = true;
    for (int row = 0; row < g.A * g.R; ++row) {
        const int a = row / g.R, r = row - a * g.R, d = g.slice(at.d, a), h = g.row(at.h, r);
        if (!within(d, g.D) || !within(h, g.H)) continue;
        for (int s = 0; s < g.S; ++s) {
            const int w = g.col(at.w, s);
            if (!within(w, g.W)) continue;
            ACC value[VEC];
            load_channels<VEC>(plane + ((d * g.H + h) * g.W + w) * g.step(), value);
#pragma unroll
            for (int j = 0; j < VEC; ++j) {
                if (first || value[j] > best[j] || value[j] != value[j]) {
                    best[j] = value[j], winner.item[j] = row * g.S + s;
                }
            }
            first = false;
        }
    }

    // write
    store_channels<VEC>(y + at.own, best);
    if (index) store_indices(index + at.own, winner);
}
