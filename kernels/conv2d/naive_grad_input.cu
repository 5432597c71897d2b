/*
conv2d gradient of the input, naive: one thread, one element of gx. It gathers, so no two threads write the same place.

math:     gx[n,c,h,w] = sum over k,r,s of gy[n,k,p,q] * weight[k,c,r,s] where p*stride_h - pad_h + r*dil_h = h,
          q*stride_w - pad_w + s*dil_w = w
layout:   gy (N,P,Q,K), gx (N,H,W,C), weight (K,R,S,C/groups), row-major
threads:  a thread owns gx's element of its own index in memory order
shared:   0
flops:    2*N*P*Q*K*(C//G)*R*S
bytes:    e*(N*H*W*C + N*P*Q*K + K*(C//G)*R*S)
requires: one sample of x and of y, and weight, below 2^31 elements
numerics: one running sum in ACC, in the order r, s, k
*/
#include "geometry.cuh"

extern "C" __global__ void conv2d_naive_grad_input(const T* gy, const T* weight, T* gx, Conv2d g)
{
    // seek to this thread's input element, its sample of gy and its channel of the filters
    const i64 i = thread_index();
    if (i >= (i64)g.N * g.H * g.W * g.C) return;
    const int c = i % g.C, w = i / g.C % g.W, h = i / ((i64)g.C * g.W) % g.H, n = i / ((i64)g.C * g.W * g.H);
    const int Cg = g.Cg(), Kg = g.Kg(), group = c / Cg, taps = g.R * g.S;
    const T* image = gy + (i64)n * g.P * g.Q * g.K + group * Kg;
    const T* channel = weight + (i64)group * Kg * taps * Cg + c % Cg;

    // combine the outputs that this element went into
    ACC sum = 0;
    for (int r = 0; r < g.R; ++r) {
        for (int s = 0; s < g.S; ++s) {
            const int p = g.out_row(h, r), q = g.out_col(w, s);
            if (p < 0 || q < 0) continue;
            const T *pixel = image + (p * g.Q + q) * g.K, *tap = channel + (r * g.S + s) * Cg;
            for (int k = 0; k < Kg; ++k) sum += load(pixel + k) * load(tap + k * taps * Cg);
        }
    }

    // write
    store(gx + i, sum);
}
