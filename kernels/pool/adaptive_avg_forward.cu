/*
Adaptive average pooling forward: the window of output p is floor(p*H/P) up to ceil((p+1)*H/P).

math:     y[n,c,p,q] = mean of x[n,c,h,w] over the window of (p,q)
layout:   x (N,C,H,W), y (N,C,P,Q), both channels-last (NHWC=1) or both row-major (NHWC=0)
threads:  a thread owns VEC channels of one output position, in memory order
shared:   0
flops:    N*C*H*W
bytes:    e*N*C*(H*W + P*Q)
requires: one sample below 2^31 elements; VEC > 1 needs NHWC and C % VEC = 0
numerics: sums in ACC, by h, then w
*/
#include "adaptive.cuh"

extern "C" __global__ void adaptive_avg_pool2d_forward(const T* x, T* y, Pool2d g)
{
    const Place at(thread_index(), g.N, g.C, g.P, g.Q);
    if (!at.real) return;
    const int top = start(at.h, g.H, g.P), bottom = stop(at.h, g.H, g.P);
    const int left = start(at.w, g.W, g.Q), right = stop(at.w, g.W, g.Q);
    average(x, y, g, at, top, bottom, left, right, (ACC)(bottom - top) * (right - left));
}
