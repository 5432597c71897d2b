/*
Adaptive max pooling forward: the maximum and its flat position h*W + w in the input plane.

math:     y[n,c,p,q] = max of x[n,c,h,w] over the window floor(p*H/P) .. ceil((p+1)*H/P), and q likewise
layout:   x (N,C,H,W), y and index (N,C,P,Q), all channels-last (NHWC=1) or all row-major (NHWC=0)
threads:  a thread owns VEC channels of one output position, in memory order
shared:   0
flops:    N*C*H*W
bytes:    e*N*C*(H*W + P*Q) + 4*N*C*P*Q
requires: one sample below 2^31 elements; VEC = 1
numerics: exact; the first maximum wins, the last NaN beats every number
*/
#include "plane.cuh"
#include "adaptive.cuh"

extern "C" __global__ void adaptive_max_pool2d_forward(
    const T* x, T* y, int* index, int N, int C, int H, int W, int P, int Q)
{
    const Place at = place_of(thread_index(), N, C, P, Q);
    if (!at.real) return;
    const T* plane = x + plane_start(at.n, at.c, C, H, W);
    const int step = plane_step(C);

    int winner = start(at.h, H, P) * W + start(at.w, W, Q);
    ACC best = load(plane + winner * step);
    for (int h = start(at.h, H, P); h < stop(at.h, H, P); ++h) {
        for (int v = start(at.w, W, Q); v < stop(at.w, W, Q); ++v) {
            const ACC value = load(plane + (h * W + v) * step);
            if (value > best || value != value) {
                best = value;
                winner = h * W + v;
            }
        }
    }
    const i64 out = plane_start(at.n, at.c, C, P, Q) + (at.h * Q + at.w) * step;
    store(y + out, best);
    index[out] = winner;
}
