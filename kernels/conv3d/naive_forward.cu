/*
conv3d forward, naive: one thread, one output element.

math:     y[n,k,o,p,q] = bias[k] + sum over a,r,s,c of x[n,c,d,h,w] * weight[k,c,a,r,s], d = o*stride_d - pad_d + a*dil_d,
          h = p*stride_h - pad_h + r*dil_h, w = q*stride_w - pad_w + s*dil_w, inside x,
          + residual[n,k,o,p,q]; then the activation that g names
layout:   x (N,D,H,W,C), y, residual (N,O,P,Q,K), weight (K,A,R,S,C/groups), row-major; bias (K)
threads:  a thread owns y's element of its own index in memory order
shared:   0
flops:    2*N*O*P*Q*K*(C//G)*A*R*S
bytes:    e*(N*D*H*W*C + N*O*P*Q*K + K*(C//G)*A*R*S)
requires: one sample of x and of y, and weight, below 2^31 elements
numerics: one running sum in ACC, in the order a, r, s, c
optional: bias residual
*/
#include "geometry.cuh"

extern "C" __global__ void conv3d_naive_forward(
    const T* x, const T* weight, const T* bias, const T* residual, T* y, Conv3d g)
{
    // seek to this thread's output, its sample and its filter
    const i64 i = thread_index(), row = i / g.K, plane = row / g.Q;
    if (i >= (i64)g.N * g.O * g.P * g.Q * g.K) return;
    const int k = i % g.K, q = row % g.Q, p = plane % g.P, o = plane / g.P % g.O, n = plane / g.P / g.O;
    const int Cg = g.Cg(), taps = g.A * g.R * g.S;
    const T* image = x + (i64)n * g.D * g.H * g.W * g.C + k / g.Kg() * Cg;
    const T* filter = weight + (i64)k * taps * Cg;

    // combine the window's pixels with the filter's taps
    ACC sum = bias ? load(bias + k) : (ACC)0;
    for (int tap = 0; tap < taps; ++tap) {
        const int d = g.plane(o, tap / g.S / g.R), h = g.row(p, tap / g.S % g.R), w = g.col(q, tap % g.S);
        if (!g.inside(d, h, w)) continue;
        const T* pixel = image + ((d * g.H + h) * g.W + w) * g.C;
        for (int c = 0; c < Cg; ++c) sum += load(pixel + c) * load(filter + tap * Cg + c);
    }

    // write
    if (residual) sum += load(residual + i);
    store(y + i, activated(sum, g.activation));
}
