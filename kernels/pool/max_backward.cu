/*
Max pooling backward: every input element gathers from the windows that it won. No atomics, so deterministic.

math:     gx[n,c,d,h,w] = sum of gy[n,c,o,p,q] over the windows (o,p,q) whose index names (d,h,w); where an activation came
          before the pooling, whose result is y, gy times its slope at y
layout:   gy, index and y (N,C,O,P,Q), gx (N,C,D,H,W), all channels-last (NHWC=1) or all row-major (NHWC=0); the first three
          row-major where g.flat
threads:  a thread owns VEC channels of one input position, in memory order
shared:   0
flops:    N*C*O*P*Q
bytes:    e*N*C*(D*H*W + O*P*Q) + I*N*C*O*P*Q
requires: one sample below 2^31 elements; VEC > 1 needs NHWC, not g.flat, and C % VEC = 0
numerics: sums in ACC, by a, then r, then s
optional: y
*/
#include "plane.cuh"

extern "C" __global__ void max_pool2d_backward(const T* gy, const INDEX* index, const T* y, T* gx, Pool2d g)
{
    // seek
    const Place at(thread_index(), g.N, g.C, g.H, g.W, g.D);
    if (!at.real) return;
    const i64 outputs = g.output(at.n, at.c);

    // combine
    ACC sum[VEC] = {};
    for (int row = 0; row < g.A * g.R; ++row) {
        const int a = row / g.R, o = g.out_slice(at.d, a);  // of the window in which (d, h, w) is at slice a
        const int p = o < 0 ? -1 : g.out_row(at.h, row - a * g.R);
        for (int s = 0; p >= 0 && s < g.S; ++s) {
            const int q = g.out_col(at.w, s);
            if (q < 0) continue;
            const i64 out = outputs + ((o * g.P + p) * g.Q + q) * g.out_step();
            const Indices<INDEX> winner = load_indices(index + out);
            ACC value[VEC];
            load_channels<VEC>(gy + out, value);
            if (y) lead_back(value, y + out, g.activation);
#pragma unroll
            for (int j = 0; j < VEC; ++j) {
                if (winner.item[j] == row * g.S + s) sum[j] += value[j];
            }
        }
    }

    // write
    store_channels<VEC>(gx + at.own, sum);
}
