/*
Average pooling backward: every input element gathers its share from the windows that cover it.

math:     gx[n,c,h,w] = sum over the windows (p,q) that cover (h,w) of gy[n,c,p,q] / cells(p,q); where an
          activation came before the pooling, whose result is x, times its slope at x
layout:   gy (N,C,P,Q), x and gx (N,C,H,W), all channels-last (NHWC=1) or all row-major (NHWC=0); gy row-major
          where g.flat
threads:  a thread owns VEC channels of one input position, in memory order
shared:   0
flops:    2*N*C*P*Q*R*S
bytes:    e*N*C*(H*W + P*Q)
requires: dilation 1; one sample below 2^31 elements; VEC > 1 needs NHWC, not g.flat, and C % VEC = 0
numerics: sums in ACC, by p, then q
optional: x
*/
#include "average.cuh"

extern "C" __global__ void avg_pool2d_backward(const T* gy, const T* x, T* gx, Pool2d g)
{
    const Place at(thread_index(), g.N, g.C, g.H, g.W);
    if (!at.real) return;
    const T* outputs = gy + g.output(at.n, at.c);
    const int h = at.h + g.pad_h, w = at.w + g.pad_w;  // counted from the start of the padding

    ACC sum[VEC] = {};
    for (int p = larger(ceil_div(h - g.R + 1, g.stride_h), 0); p < smaller(h / g.stride_h + 1, g.P); ++p) {
        for (int q = larger(ceil_div(w - g.S + 1, g.stride_w), 0); q < smaller(w / g.stride_w + 1, g.Q); ++q) {
            add_part(outputs + (p * g.Q + q) * g.out_step(), cells(g, p, q), sum);
        }
    }
    if (x) lead_back(sum, x + at.own, g.activation);
    store_channels<VEC>(gx + at.own, sum);
}
