/*
Adaptive max pooling forward: the maximum and its flat position h*W + w in the input plane.

math:     y[n,c,p,q] = max of x[n,c,h,w] over the window floor(p*H/P) .. ceil((p+1)*H/P), and q likewise
layout:   x (N,C,H,W), y and index (N,C,P,Q), all channels-last (NHWC=1) or all row-major (NHWC=0)
threads:  a thread owns VEC channels of one output position, in memory order
shared:   0
flops:    N*C*H*W
bytes:    e*N*C*(H*W + P*Q) + 4*N*C*P*Q
requires: one sample below 2^31 elements; VEC = 1
numerics: exact; the first maximum wins, the last NaN beats every number
*/
#include "adaptive.cuh"

extern "C" __global__ void adaptive_max_pool2d_forward(const T* x, T* y, int* index, Pool2d g)
{
    const Place at(thread_index(), g.N, g.C, g.P, g.Q);
    if (!at.real) return;
    const T* plane = x + g.input(at.n, at.c);

    int winner = start(at.h, g.H, g.P) * g.W + start(at.w, g.W, g.Q);
    ACC best = load(plane + winner * g.step());
    for (int h = start(at.h, g.H, g.P); h < stop(at.h, g.H, g.P); ++h) {
        for (int w = start(at.w, g.W, g.Q); w < stop(at.w, g.W, g.Q); ++w) {
            const ACC value = load(plane + (h * g.W + w) * g.step());
            if (value > best || value != value) best = value, winner = h * g.W + w;
        }
    }
    store(y + at.own, best);
    index[at.own] = winner;
}
