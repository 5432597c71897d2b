/*
Norm pooling backward: every input element gathers from the windows that cover it.

math:     gx[n,c,d,h,w] = sum over the windows (o,p,q) that cover (d,h,w) of gy * A*R*S / cells * (x / y)^(power - 1),
          0 where y is
layout:   gy and y (N,C,O,P,Q), x and gx (N,C,D,H,W), all channels-last (NHWC=1) or all row-major (NHWC=0)
threads:  a thread owns VEC channels of one input position, in memory order
shared:   0
flops:    4*N*C*O*P*Q*A*R*S
bytes:    2*e*N*C*(D*H*W + O*P*Q)
requires: no padding; one sample below 2^31 elements; VEC > 1 needs NHWC, C % VEC = 0 and power 1 or 2
numerics: sums in ACC, by o, then p, then q
*/
#include "norm.cuh"

// The outputs whose window covers i are from `first`, up to, not including, `end`.
__device__ __forceinline__ int first(int i, int size, int stride) { return larger(ceil_div(i - size + 1, stride), 0); }
__device__ __forceinline__ int end(int i, int stride, int out) { return smaller(i / stride + 1, out); }

extern "C" __global__ void norm_pool_backward(const T* gy, const T* x, const T* y, T* gx, Norm g, ACC power)
{
    const Spot at(thread_index(), g, g.D, g.H, g.W);
    if (!at.real) return;
    const i64 outputs = at.base(g, g.O * g.P * g.Q);

    ACC value[VEC], sum[VEC] = {};
    load_channels<VEC>(x + at.own, value);
    for (int o = first(at.d, g.A, g.stride_d); o < end(at.d, g.stride_d, g.O); ++o) {
        for (int p = first(at.h, g.R, g.stride_h); p < end(at.h, g.stride_h, g.P); ++p) {
            for (int q = first(at.w, g.S, g.stride_w); q < end(at.w, g.stride_w, g.Q); ++q) {
                const i64 output = outputs + ((o * g.P + p) * g.Q + q) * g.step();
                const ACC scale = g.scale(g.cell(o, p, q));
                ACC above[VEC], result[VEC];
                load_channels<VEC>(gy + output, above);
                load_channels<VEC>(y + output, result);
#pragma unroll
                for (int j = 0; j < VEC; ++j) sum[j] += part(above[j] * scale, value[j], result[j], power);
            }
        }
    }
    store_channels<VEC>(gx + at.own, sum);
}
