/*
Max pooling forward: the maximum and its position in the window.

math:     y[n,c,p,q] = max over r,s inside the input of x[n, c, p*stride_h - pad_h + r*dil_h, q*stride_w - pad_w + s*dil_w];
          index = r*S + s
layout:   x (N,C,H,W), y and index (N,C,P,Q), all channels-last (NHWC=1) or all row-major (NHWC=0)
threads:  a thread owns VEC channels of one output position, in memory order
shared:   0
flops:    N*C*P*Q*R*S
bytes:    e*N*C*(H*W + P*Q) + I*N*C*P*Q
requires: one sample below 2^31 elements; INDEX is one byte up to 256 positions, two beyond; VEC > 1 needs NHWC and C % VEC = 0
numerics: exact; the first maximum wins, the last NaN beats every number (as in PyTorch)
*/
#include "plane.cuh"

extern "C" __global__ void max_pool2d_forward(
    const T* x, T* y, INDEX* index,
    int N, int C, int H, int W, int R, int S, int P, int Q,
    int stride_h, int stride_w, int pad_h, int pad_w, int dil_h, int dil_w)
{
    const Place at = place_of(thread_index(), N, C, P, Q);
    if (!at.real) return;
    const T* plane = x + plane_start(at.n, at.c, C, H, W);
    const int step = plane_step(C);

    ACC best[VEC];  // a dilated window may lie outside the input altogether: its maximum is -inf
#pragma unroll
    for (int j = 0; j < VEC; ++j) best[j] = __uint_as_float(0xff800000u);
    Indices<INDEX> winner = {};
    bool first = true;
    for (int r = 0; r < R; ++r) {
        const int h = at.h * stride_h - pad_h + r * dil_h;
        if (h < 0 || h >= H) continue;
        for (int s = 0; s < S; ++s) {
            const int v = at.w * stride_w - pad_w + s * dil_w;
            if (v < 0 || v >= W) continue;
            ACC value[VEC];
            load_channels<VEC>(plane + (h * W + v) * step, value);
#pragma unroll
            for (int j = 0; j < VEC; ++j) {
                if (first || value[j] > best[j] || value[j] != value[j]) {
                    best[j] = value[j];
                    winner.item[j] = r * S + s;
                }
            }
            first = false;
        }
    }
    const i64 out = plane_start(at.n, at.c, C, P, Q) + (at.h * Q + at.w) * step;
    store_channels<VEC>(y + out, best);
    *reinterpret_cast<Indices<INDEX>*>(index + out) = winner;
}
