/*
Max pooling forward down strips: common windows, whose rows a thread reads once.

math:     y[n,c,p,q] = max over r,s inside the input of x[n, c, p*STRIDE - pad_h + r, q*STRIDE - pad_w + s];
          index = r*WIN + s
layout:   x (N,C,H,W), y and index (N,C,P,Q), all channels-last
threads:  a thread owns VEC channels of 2 neighbouring columns of outputs, and `rows` rows of them
shared:   0
flops:    N*C*P*Q*R*S
bytes:    e*N*C*(H*W + P*Q) + I*N*C*P*Q
requires: windows WIN x WIN, STRIDE apart, dilation 1, padding below WIN; C % VEC = 0; one sample below 2^31 elements
numerics: exact; the first maximum wins, the last NaN beats every number (as in PyTorch)
optional: index
*/
#include "strip.cuh"

struct Maximum {
    ACC best[VEC];
    int winner[VEC];

    static __device__ __forceinline__ Pack<T> outside() {
        Pack<T> none;
        for (int j = 0; j < VEC; ++j) store(&none.item[j], (ACC)__uint_as_float(0xff800000u));
        return none;
    }

    // The first position inside the input wins where all are -inf.
    __device__ __forceinline__ void begin(const Pool2d& g, int p, int q) {
        const int place = larger(-g.row(p, 0), 0) * WIN + larger(-g.col(q, 0), 0);
#pragma unroll
        for (int j = 0; j < VEC; ++j) best[j] = __uint_as_float(0xff800000u), winner[j] = place;
    }

    __device__ __forceinline__ void take(const Pack<T>& pack, int place) {
#pragma unroll
        for (int j = 0; j < VEC; ++j) {
            const ACC value = load(&pack.item[j]);
            if (value > best[j] || value != value) best[j] = value, winner[j] = place;
        }
    }
};

extern "C" __global__ void strip_max_pool2d_forward(const T* x, T* y, INDEX* index, Pool2d g, int rows)
{
    const Strip at(thread_index(), g, g.P, g.Q, rows);
    if (!at.real) return;
    const i64 outputs = g.output(at.n, at.c);

    go_down<Maximum>(x + g.input(at.n, at.c), g, at, [&](int p, int q, const Maximum& window) {
        const i64 out = outputs + (p * g.Q + q) * g.C;
        store_channels<VEC>(y + out, window.best);
        if (!index) return;
        Indices<INDEX> winner;
#pragma unroll
        for (int j = 0; j < VEC; ++j) winner.item[j] = window.winner[j];
        store_indices(index + out, winner);
    });
}
