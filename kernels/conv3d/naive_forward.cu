/*
conv3d forward, naive: one thread, one output element.

math:     y[n,k,o,p,q] = b[k] + sum over c,t,r,s of w[k,c,t,r,s] * x[n, c, o*stride_d - pad_d + t*dil_d, p.., q..]
layout:   x (N,D,H,W,C), y (N,O,P,Q,K), w (K,C/groups,T,R,S) with T named A here, row-major; b (K)
threads:  a thread owns y's element of its own index in memory order
shared:   0
flops:    2*N*O*P*Q*K*(C//G)*A*R*S
bytes:    e*(N*D*H*W*C + N*O*P*Q*K + K*(C//G)*A*R*S)
requires: one sample of x and of y, and w, below 2^31 elements
numerics: one running sum in ACC, in the order t, r, s, c
optional: b
*/
#include "../common.cuh"

extern "C" __global__ void conv3d_naive_forward(
    const T* x, const T* w, const T* b, T* y,
    int N, int C, int D, int H, int W, int K, int A, int R, int S, int O, int P, int Q,
    int stride_d, int stride_h, int stride_w, int pad_d, int pad_h, int pad_w,
    int dil_d, int dil_h, int dil_w, int groups)
{
    const i64 i = thread_index();
    if (i >= (i64)N * O * P * Q * K) return;
    const int k = i % K, q = i / K % Q, p = i / ((i64)K * Q) % P, o = i / ((i64)K * Q * P) % O;
    const int n = i / ((i64)K * Q * P * O);

    const int Cg = C / groups, first = k / (K / groups) * Cg;
    const T* image = x + (i64)n * D * H * W * C;
    const T* filter = w + (i64)k * Cg * A * R * S;

    ACC sum = b ? load(b + k) : (ACC)0;
    for (int a = 0; a < A; ++a) {
        const int d = o * stride_d - pad_d + a * dil_d;
        if (d < 0 || d >= D) continue;
        for (int r = 0; r < R; ++r) {
            const int h = p * stride_h - pad_h + r * dil_h;
            if (h < 0 || h >= H) continue;
            for (int s = 0; s < S; ++s) {
                const int v = q * stride_w - pad_w + s * dil_w;
                if (v < 0 || v >= W) continue;
                const T* pixel = image + ((d * H + h) * W + v) * C + first;
                for (int c = 0; c < Cg; ++c) sum += load(pixel + c) * load(filter + ((c * A + a) * R + r) * S + s);
            }
        }
    }
    store(y + i, sum);
}
