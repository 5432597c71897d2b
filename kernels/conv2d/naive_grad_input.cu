/*
conv2d gradient of the input, naive: one thread, one element of gx. It gathers, so no two threads write the same place.

math:     gx[n,c,h,v] = sum over k,r,s of gy[n,k,p,q] * w[k,c,r,s] where p*stride_h - pad_h + r*dil_h = h, and q likewise
layout:   gy (N,P,Q,K), gx (N,H,W,C), w (K,C/groups,R,S), row-major
threads:  a thread owns gx's element of its own index in memory order
shared:   0
flops:    2*N*P*Q*K*(C//G)*R*S
bytes:    e*(N*H*W*C + N*P*Q*K + K*(C//G)*R*S)
requires: one sample of x and of y, and w, below 2^31 elements
numerics: one running sum in ACC, in the order r, s, k
*/
#include "../common.cuh"

extern "C" __global__ void conv2d_naive_grad_input(
    const T* gy, const T* w, T* gx,
    int N, int C, int H, int W, int K, int R, int S, int P, int Q,
    int stride_h, int stride_w, int pad_h, int pad_w, int dil_h, int dil_w, int groups)
{
    const i64 i = thread_index();
    if (i >= (i64)N * H * W * C) return;
    const int c = i % C, v = i / C % W, h = i / ((i64)C * W) % H, n = i / ((i64)C * W * H);

    const int Cg = C / groups, Kg = K / groups, g = c / Cg;
    const T* image = gy + (i64)n * P * Q * K + g * Kg;
    const T* filter = w + (i64)g * Kg * Cg * R * S + (c - g * Cg) * R * S;

    ACC sum = 0;
    for (int r = 0; r < R; ++r) {
        const int above = h + pad_h - r * dil_h;  // p * stride_h, if this tap met this row at all
        if (above < 0 || above % stride_h || above / stride_h >= P) continue;
        for (int s = 0; s < S; ++s) {
            const int left = v + pad_w - s * dil_w;
            if (left < 0 || left % stride_w || left / stride_w >= Q) continue;
            const T* pixel = image + (above / stride_h * Q + left / stride_w) * K;
            for (int k = 0; k < Kg; ++k) sum += load(pixel + k) * load(filter + k * Cg * R * S + r * S + s);
        }
    }
    store(gx + i, sum);
}
