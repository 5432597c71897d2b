/*
Filter forward, naive: one thread, one output element.

math:     y[n,d,h,w] = sum over a,r,s of x[n, d - front + a, h - top + r, w - left + s] * kernel[a,r,s];
          a place outside x is a copy of the one that the border names, or 0
layout:   x, y (N,D,H,W), kernel (A,R,S), row-major
threads:  a thread owns one output element
shared:   0
flops:    2*N*D*H*W*A*R*S
bytes:    e*(2*N*D*H*W + A*R*S)
requires: none
numerics: sums in ACC, by a, then r, then s
*/
#include "planes.cuh"

extern "C" __global__ void naive_filter_forward(const T* x, const T* kernel, T* y, Planes g)
{
    // Name the work.
    const i64 at = thread_index();
    if (at >= (i64)g.N * g.D * g.H * g.W) return;
    const Place own(g, at);
    x += own.n * g.D * g.H * g.W;

    ACC sum = 0;
    for (int a = 0; a < g.A; ++a) {
        const int d = mapped(own.d - g.front + a, g.D, g.border);
        for (int r = 0; r < g.R; ++r) {
            const int h = mapped(own.h - g.top + r, g.H, g.border);
            for (int s = 0; s < g.S; ++s) {
                const int w = mapped(own.w - g.left + s, g.W, g.border);
                const ACC value = d < 0 || h < 0 || w < 0 ? (ACC)0 : (ACC)load(x + ((i64)d * g.H + h) * g.W + w);
                sum += value * load(kernel + (a * g.R + r) * g.S + s);
            }
        }
    }
    store(y + at, sum);
}
