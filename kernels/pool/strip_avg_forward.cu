/*
Average pooling forward down strips: common windows, whose rows a thread reads once.

math:     y[n,c,p,q] = sum over r,s inside the input of x[n, c, p*STRIDE - pad_h + r, q*STRIDE - pad_w + s] / cells(p,q)
layout:   x (N,C,H,W), y (N,C,P,Q), both channels-last
threads:  a thread owns VEC channels of 2 neighbouring columns of outputs, and `rows` rows of them
shared:   0
flops:    N*C*P*Q*R*S
bytes:    e*N*C*(H*W + P*Q)
requires: windows WIN x WIN, STRIDE apart, dilation 1; C % VEC = 0; one sample below 2^31 elements
numerics: sums in ACC, by r, then s
*/
#include "strip.cuh"

struct Sum {
    ACC sum[VEC];

    static __device__ __forceinline__ Pack<T> outside() { return Pack<T>(); }  // 0 adds nothing, not even a sign

    __device__ __forceinline__ void begin(const Pool2d&, int, int) {
#pragma unroll
        for (int j = 0; j < VEC; ++j) sum[j] = 0;
    }

    __device__ __forceinline__ void take(const Pack<T>& pack, int) {
#pragma unroll
        for (int j = 0; j < VEC; ++j) sum[j] += load(&pack.item[j]);
    }
};

extern "C" __global__ void strip_avg_pool2d_forward(const T* x, T* y, Pool2d g, int rows)
{
    const Strip at(thread_index(), g, g.P, g.Q, rows);
    if (!at.real) return;
    const i64 outputs = g.output(at.n, at.c);

    go_down<Sum>(x + g.input(at.n, at.c), g, at, [&](int p, int q, const Sum& window) {
        const ACC count = cells(g, p, q);
        ACC mean[VEC];
#pragma unroll
        for (int j = 0; j < VEC; ++j) mean[j] = window.sum[j] / count;
        store_channels<VEC>(y + outputs + (p * g.Q + q) * g.C, mean);
    });
}
