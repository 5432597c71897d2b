/*
conv2d forward, naive: one thread, one output element. Takes every geometry; read this one first.

math:     y[n,k,p,q] = b[k] + sum over c,r,s of x[n, c, p*stride_h - pad_h + r*dil_h, q*stride_w - pad_w + s*dil_w] * w[k,c,r,s]
layout:   x (N,H,W,C), y (N,P,Q,K), w (K,C/groups,R,S), row-major; b (K)
threads:  a thread owns y's element of its own index in memory order, so that neighbours share x and write side by side
shared:   0
flops:    2*N*P*Q*K*(C//G)*R*S
bytes:    e*(N*H*W*C + N*P*Q*K + K*(C//G)*R*S)
requires: one sample of x and of y, and w, below 2^31 elements
numerics: one running sum in ACC, in the order r, s, c
optional: b
*/
#include "../common.cuh"

extern "C" __global__ void conv2d_naive_forward(
    const T* x, const T* w, const T* b, T* y,
    int N, int C, int H, int W, int K, int R, int S, int P, int Q,
    int stride_h, int stride_w, int pad_h, int pad_w, int dil_h, int dil_w, int groups)
{
    const i64 i = thread_index();
    if (i >= (i64)N * P * Q * K) return;
    const int k = i % K, q = i / K % Q, p = i / ((i64)K * Q) % P, n = i / ((i64)K * Q * P);

    const int Cg = C / groups, first = k / (K / groups) * Cg;  // this filter's group of input channels
    const T* image = x + (i64)n * H * W * C;
    const T* filter = w + (i64)k * Cg * R * S;

    ACC sum = b ? load(b + k) : (ACC)0;
    for (int r = 0; r < R; ++r) {
        const int h = p * stride_h - pad_h + r * dil_h;
        if (h < 0 || h >= H) continue;
        for (int s = 0; s < S; ++s) {
            const int v = q * stride_w - pad_w + s * dil_w;
            if (v < 0 || v >= W) continue;
            const T* pixel = image + (h * W + v) * C + first;
            for (int c = 0; c < Cg; ++c) sum += load(pixel + c) * load(filter + (c * R + r) * S + s);
        }
    }
    store(y + i, sum);
}
