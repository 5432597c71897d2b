/*
conv3d gradient of the input, naive: one thread, one element of gx; it gathers.

math:     gx[n,c,d,h,w] = sum over a,r,s,k of gy[n,k,o,p,q] * weight[k,c,a,r,s] where o*stride_d - pad_d + a*dil_d = d,
          p*stride_h - pad_h + r*dil_h = h, q*stride_w - pad_w + s*dil_w = w
layout:   gy (N,O,P,Q,K), gx (N,D,H,W,C), weight (K,A,R,S,C/groups), row-major
threads:  a thread owns gx's element of its own index in memory order
shared:   0
flops:    2*N*O*P*Q*K*(C//G)*A*R*S
bytes:    e*(N*D*H*W*C + N*O*P*Q*K + K*(C//G)*A*R*S)
requires: one sample of x and of y, and weight, below 2^31 elements
numerics: one running sum in ACC, in the order a, r, s, k
*/
#include "geometry.cuh"

extern "C" __global__ void conv3d_naive_grad_input(const T* gy, const T* weight, T* gx, Conv3d g)
{
    // seek to this thread's input element, its sample of gy and its channel of the filters
    const i64 i = thread_index(), row = i / g.C, plane = row / g.W;
    if (i >= (i64)g.N * g.D * g.H * g.W * g.C) return;
    const int c = i % g.C, w = row % g.W, h = plane % g.H, d = plane / g.H % g.D, n = plane / g.H / g.D;
    const int Cg = g.Cg(), Kg = g.Kg(), group = c / Cg, taps = g.A * g.R * g.S;
    const T* image = gy + (i64)n * g.O * g.P * g.Q * g.K + group * Kg;
    const T* channel = weight + (i64)group * Kg * taps * Cg + c % Cg;

    // combine the outputs that this element went into
    ACC sum = 0;
    for (int tap = 0; tap < taps; ++tap) {
        const int o = g.out_plane(d, tap / g.S / g.R), p = g.out_row(h, tap / g.S % g.R), q = g.out_col(w, tap % g.S);
        if (o < 0 || p < 0 || q < 0) continue;
        const T* pixel = image + ((o * g.P + p) * g.Q + q) * g.K;
        for (int k = 0; k < Kg; ++k) sum += load(pixel + k) * load(channel + (k * taps + tap) * Cg);
    }

    // write
    store(gx + i, sum);
}
