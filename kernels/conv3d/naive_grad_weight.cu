/*
conv3d gradient of the weight, naive: one warp, one element of gw.

math:     gw[k,c,a,r,s] = sum over n,o,p,q of gy[n,k,o,p,q] * x[n,c,d,h,w], d = o*stride_d - pad_d + a*dil_d,
          h = p*stride_h - pad_h + r*dil_h, w = q*stride_w - pad_w + s*dil_w, inside x
layout:   gy (N,O,P,Q,K), x (N,D,H,W,C), gw (K,A,R,S,C/groups), row-major
threads:  a warp owns gw's element of its own index; lane l sums positions l, l+32, ... of each sample
shared:   0
flops:    2*N*O*P*Q*K*(C//G)*A*R*S
bytes:    e*(N*D*H*W*C + N*O*P*Q*K + K*(C//G)*A*R*S)
requires: one sample of x and of y, and weight, below 2^31 elements
numerics: 32 running sums in ACC, joined as a tree of fixed shape: the same bits at every run
*/
#include "geometry.cuh"

extern "C" __global__ void conv3d_naive_grad_weight(const T* gy, const T* x, T* gw, Conv3d g)
{
    // seek to this warp's weight, and to its filter in gy and its channel in x
    const int Cg = g.Cg(), taps = g.A * g.R * g.S, positions = g.O * g.P * g.Q, lane = threadIdx.x % 32;
    const i64 i = thread_index() / 32;
    if (i >= (i64)g.K * Cg * taps) return;  // a whole warp leaves: the shuffles below lose no lane
    const int c = i % Cg, tap = i / Cg % taps, k = i / Cg / taps;
    const int s = tap % g.S, r = tap / g.S % g.R, a = tap / g.S / g.R;

    // combine every position of gy with the position of x that this tap met
    ACC sum = 0;
    for (int n = 0; n < g.N; ++n) {
        const T* above = gy + (i64)n * positions * g.K + k;
        const T* below = x + (i64)n * g.D * g.H * g.W * g.C + k / g.Kg() * Cg + c;
        for (int at = lane; at < positions; at += 32) {
            const int d = g.plane(at / g.Q / g.P, a), h = g.row(at / g.Q % g.P, r), w = g.col(at % g.Q, s);
            if (g.inside(d, h, w)) sum += load(above + at * g.K) * load(below + ((d * g.H + h) * g.W + w) * g.C);
        }
    }

    // write
    sum = add_lanes(sum);
    if (lane == 0) store(gw + i, sum);
}
