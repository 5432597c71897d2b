/*
Average pooling forward.

math:     y[n,c,o,p,q] = sum over a,r,s inside the input of
          x[n, c, o*stride_d - pad_d + a, p*stride_h - pad_h + r, q*stride_w - pad_w + s] / cells(o,p,q)
layout:   x (N,C,D,H,W), y (N,C,O,P,Q), both channels-last (NHWC=1) or both row-major (NHWC=0)
threads:  a thread owns VEC channels of one output position, in memory order
shared:   0
flops:    N*C*O*P*Q*A*R*S
bytes:    e*N*C*(D*H*W + O*P*Q)
requires: dilation 1; one sample below 2^31 elements; VEC > 1 needs NHWC and C % VEC = 0
numerics: sums in ACC, by a, then r, then s
*/
#include "average.cuh"

extern "C" __global__ void avg_pool2d_forward(const T* x, T* y, Pool2d g)
{
    const Place at(thread_index(), g.N, g.C, g.P, g.Q, g.O);
    if (!at.real) return;
    const int top = g.row(at.h, 0), left = g.col(at.w, 0);
    const int bottom = smaller(top + g.R, g.H), right = smaller(left + g.S, g.W);
    const int front = g.slice(at.d, 0), back = smaller(front + g.A, g.D);
    const ACC count = cells(g, at.d, at.h, at.w);
    average(x, y, g, at, larger(top, 0), bottom, larger(left, 0), right, count, larger(front, 0), back);
}
