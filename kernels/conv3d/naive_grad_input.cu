/*
conv3d gradient of the input, naive: one thread, one element of gx; it gathers.

math:     gx[n,c,d,h,v] = sum over k,t,r,s of gy[n,k,o,p,q] * w[k,c,t,r,s] where o*stride_d - pad_d + t*dil_d = d, p.., q..
layout:   gy (N,O,P,Q,K), gx (N,D,H,W,C), w (K,C/groups,T,R,S) with T named A here, row-major
threads:  a thread owns gx's element of its own index in memory order
shared:   0
flops:    2*N*O*P*Q*K*(C//G)*A*R*S
bytes:    e*(N*D*H*W*C + N*O*P*Q*K + K*(C//G)*A*R*S)
requires: one sample of x and of y, and w, below 2^31 elements
numerics: one running sum in ACC, in the order t, r, s, k
*/
#include "../common.cuh"

// The output position whose window has tap r at input position h, or -1.
__device__ __forceinline__ int met(int h, int pad, int r, int dil, int stride, int out) {
    const int start = h + pad - r * dil;
    return start < 0 || start % stride || start / stride >= out ? -1 : start / stride;
}

extern "C" __global__ void conv3d_naive_grad_input(
    const T* gy, const T* w, T* gx,
    int N, int C, int D, int H, int W, int K, int A, int R, int S, int O, int P, int Q,
    int stride_d, int stride_h, int stride_w, int pad_d, int pad_h, int pad_w,
    int dil_d, int dil_h, int dil_w, int groups)
{
    const i64 i = thread_index();
    if (i >= (i64)N * D * H * W * C) return;
    const int c = i % C, v = i / C % W, h = i / ((i64)C * W) % H, d = i / ((i64)C * W * H) % D;
    const int n = i / ((i64)C * W * H * D);

    const int Cg = C / groups, Kg = K / groups, g = c / Cg, taps = A * R * S;
    const T* image = gy + (i64)n * O * P * Q * K + g * Kg;
    const T* filter = w + (i64)g * Kg * Cg * taps + (c - g * Cg) * taps;

    ACC sum = 0;
    for (int a = 0; a < A; ++a) {
        const int o = met(d, pad_d, a, dil_d, stride_d, O);
        if (o < 0) continue;
        for (int r = 0; r < R; ++r) {
            const int p = met(h, pad_h, r, dil_h, stride_h, P);
            if (p < 0) continue;
            for (int s = 0; s < S; ++s) {
                const int q = met(v, pad_w, s, dil_w, stride_w, Q);
                if (q < 0) continue;
                const T* pixel = image + ((o * P + p) * Q + q) * K;
                const T* tap = filter + (a * R + r) * S + s;
                for (int k = 0; k < Kg; ++k) sum += load(pixel + k) * load(tap + k * Cg * taps);
            }
        }
    }
    store(gx + i, sum);
}
