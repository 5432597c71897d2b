/*
Average pooling forward.

math:     y[n,c,p,q] = sum over r,s inside the input of x[n, c, p*stride_h - pad_h + r, q*stride_w - pad_w + s] / cells(p,q)
layout:   x (N,C,H,W), y (N,C,P,Q), both channels-last (NHWC=1) or both row-major (NHWC=0)
threads:  a thread owns VEC channels of one output position, in memory order
shared:   0
flops:    N*C*P*Q*R*S
bytes:    e*N*C*(H*W + P*Q)
requires: dilation 1; one sample below 2^31 elements; VEC > 1 needs NHWC and C % VEC = 0
numerics: sums in ACC, by r, then s
*/
#include "average.cuh"

extern "C" __global__ void avg_pool2d_forward(const T* x, T* y, Pool2d g)
{
    const Place at(thread_index(), g.N, g.C, g.P, g.Q);
    if (!at.real) return;
    const int top = g.row(at.h, 0), left = g.col(at.w, 0);
    const int bottom = smaller(top + g.R, g.H), right = smaller(left + g.S, g.W);
    average(x, y, g, at, larger(top, 0), bottom, larger(left, 0), right, cells(g, at.h, at.w));
}
