/*
conv2d forward, naive: one thread, one output element. Takes every geometry; read this one first.

math:     y[n,k,p,q] = bias[k] + sum over r,s,c of x[n,c,h,w] * weight[k,c,r,s], h = p*stride_h - pad_h + r*dil_h,
          w = q*stride_w - pad_w + s*dil_w, inside x, + residual[n,k,p,q]; then the activation that g names
layout:   x (N,H,W,C), y, residual (N,P,Q,K), weight (K,R,S,C/groups), row-major; bias (K)
threads:  a thread owns y's element of its own index in memory order, so that neighbours share x and write side by side
shared:   0
flops:    2*N*P*Q*K*(C//G)*R*S
bytes:    e*(N*H*W*C + N*P*Q*K + K*(C//G)*R*S)
requires: one sample of x and of y, and weight, below 2^31 elements
numerics: one running sum in ACC, in the order r, s, c
optional: bias residual
*/
#include "geometry.cuh"

extern "C" __global__ void conv2d_naive_forward(
    const T* x, const T* weight, const T* bias, const T* residual, T* y, Conv2d g)
{
    // seek to this thread's output, its sample and its filter
    const i64 i = thread_index();
    if (i >= (i64)g.N * g.P * g.Q * g.K) return;
    const int k = i % g.K, q = i / g.K % g.Q, p = i / ((i64)g.K * g.Q) % g.P, n = i / ((i64)g.K * g.Q * g.P);
    const int Cg = g.Cg(), group = k / g.Kg();
    const T* image = x + (i64)n * g.H * g.W * g.C + group * Cg;
    const T* filter = weight + (i64)k * g.R * g.S * Cg;

    // combine the window's pixels with the filter's taps
    ACC sum = bias ? load(bias + k) : (ACC)0;
    for (int r = 0; r < g.R; ++r) {
        for (int s = 0; s < g.S; ++s) {
            const int h = g.row(p, r), w = g.col(q, s);
            if (!g.inside(h, w)) continue;
            const T *pixel = image + (h * g.W + w) * g.C, *tap = filter + (r * g.S + s) * Cg;
            for (int c = 0; c < Cg; ++c) sum += load(pixel + c) * load(tap + c);
        }
    }

    // write
    if (residual) sum += load(residual + i);
    store(y + i, activated(sum, g.activation));
}
