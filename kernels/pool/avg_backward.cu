/*
Average pooling backward: every input element gathers its share from the windows that cover it.

math:     gx[n,c,d,h,w] = sum over the windows (o,p,q) that cover (d,h,w) of gy[n,c,o,p,q] / cells(o,p,q); where an
          activation came before the pooling, whose result is x, times its slope at x
layout:   gy (N,C,O,P,Q), x and gx (N,C,D,H,W), all channels-last (NHWC=1) or all row-major (NHWC=0); gy row-major
          where g.flat
threads:  a thread owns VEC channels of one input position, in memory order
shared:   0
flops:    2*N*C*O*P*Q*A*R*S
bytes:    e*N*C*(D*H*W + O*P*Q)
requires: dilation 1; one sample below 2^31 elements; VEC > 1 needs NHWC, not g.flat, and C % VEC = 0
numerics: sums in ACC, by o, then p, then q
optional: x
*/
#include "average.cuh"

extern "C" __global__ void avg_pool2d_backward(const T* gy, const T* x, T* gx, Pool2d g)
{
    const Place at(thread_index(), g.N, g.C, g.H, g.W, g.D);
    if (!at.real) return;
    const T* outputs = gy + g.output(at.n, at.c);
    const int d = at.d + g.pad_d, h = at.h + g.pad_h, w = at.w + g.pad_w;  // counted from the start of the padding

    ACC sum[VEC] = {};
    for (int o = larger(ceil_div(d - g.A + 1, g.stride_d), 0); o < smaller(d / g.stride_d + 1, g.O); ++o) {
        for (int p = larger(ceil_div(h - g.R + 1, g.stride_h), 0); p < smaller(h / g.stride_h + 1, g.P); ++p) {
            for (int q = larger(ceil_div(w - g.S + 1, g.stride_w), 0); q < smaller(w / g.stride_w + 1, g.Q); ++q) {
                add_part(outputs + ((o * g.P + p) * g.Q + q) * g.out_step(), cells(g, o, p, q), sum);
            }
        }
    }
    if (x) lead_back(sum, x + at.own, g.activation);
    store_channels<VEC>(gx + at.own, sum);
}
