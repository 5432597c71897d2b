/*
conv2d gradient of the weight, naive: one warp, one element of gw.

math:     gw[k,c,r,s] = sum over n,p,q of gy[n,k,p,q] * x[n,c,h,w], h = p*stride_h - pad_h + r*dil_h,
          w = q*stride_w - pad_w + s*dil_w, inside x
layout:   gy (N,P,Q,K), x (N,H,W,C), gw (K,R,S,C/groups), row-major
threads:  a warp owns gw's element of its own index; lane l sums positions l, l+32, ... of each sample
shared:   0
flops:    2*N*P*Q*K*(C//G)*R*S
bytes:    e*(N*H*W*C + N*P*Q*K + K*(C//G)*R*S)
requires: one sample of x and of y, and weight, below 2^31 elements
numerics: 32 running sums in ACC, joined as a tree of fixed shape: the same bits at every run
*/
#include "geometry.cuh"

extern "C" __global__ void conv2d_naive_grad_weight(const T* gy, const T* x, T* gw, Conv2d g)
{
    // seek to this warp's weight, and to its filter in gy and its channel in x
    const int Cg = g.Cg(), lane = threadIdx.x % 32;
    const i64 i = thread_index() / 32;
    if (i >= (i64)g.K * Cg * g.R * g.S) return;  // a whole warp leaves: the shuffles below lose no lane
    const int c = i % Cg, s = i / Cg % g.S, r = i / Cg / g.S % g.R, k = i / Cg / g.S / g.R;
    const int channel = k / g.Kg() * Cg + c;

    // combine every pixel of gy with the pixel of x that this tap met
    ACC sum = 0;
    for (int n = 0; n < g.N; ++n) {
        const T* above = gy + (i64)n * g.P * g.Q * g.K + k;
        const T* below = x + (i64)n * g.H * g.W * g.C + channel;
        for (int at = lane; at < g.P * g.Q; at += 32) {
            const int h = g.row(at / g.Q, r), w = g.col(at % g.Q, s);
            if (g.inside(h, w)) sum += load(above + at * g.K) * load(below + (h * g.W + w) * g.C);
        }
    }

    // write
    sum = add_lanes(sum);
    if (lane == 0) store(gw + i, sum);
}
