/*
Average pooling backward down strips: common windows, whose gradients a thread reads once for all that they cover.

math:     gx[n,c,h,w] = sum over the windows (p,q) that cover (h,w) of gy[n,c,p,q] / cells(p,q); where an
          activation came before the pooling, whose result is x, times its slope at x
layout:   gy (N,C,P,Q), x and gx (N,C,H,W), all channels-last
threads:  a thread owns VEC channels of 2 neighbouring columns of cells, STRIDE x STRIDE inputs, and `rows` rows of them
shared:   0
flops:    2*N*C*P*Q*R*S
bytes:    e*N*C*(H*W + P*Q)
requires: windows WIN x WIN, STRIDE apart, dilation 1; C % VEC = 0; one sample below 2^31 elements
numerics: sums in ACC, by p, then q
optional: x
*/
#include "strip.cuh"

struct Part {
    ACC value[VEC];

    __device__ __forceinline__ Part() : value() {}
};

extern "C" __global__ void strip_avg_pool2d_backward(const T* gy, const T* x, T* gx, Pool2d g, int rows)
{
    const Strip at(thread_index(), g, cells_down(g), cells_across(g), rows);
    if (!at.real) return;
    const T* outputs = gy + g.output(at.n, at.c);
    const i64 image = g.input(at.n, at.c);

    const auto fetch = [&](int p, int q, Pack<T>& raw) { raw = load_pack(outputs + (p * g.Q + q) * g.C); };
    const auto settle = [&](int p, int q, const Pack<T>& raw, Part& held) {
        add_part(raw.item, cells(g, p, q), held.value);
    };
    go_back<Pack<T>, Part>(g, at, fetch, settle, [&](int u, int cell, int i, int j, const Part (&held)[OPEN][HELD]) {
        const int h = g.row(u, i), w = g.col(at.column + cell, j);
        if (!g.inside(h, w)) return;
        ACC sum[VEC] = {};
#pragma unroll
        for (int k = OPEN - 1; k >= 0; --k) {
#pragma unroll
            for (int l = OPEN - 1; l >= 0; --l) {
                if (i + k * STRIDE >= WIN || j + l * STRIDE >= WIN) continue;
#pragma unroll
                for (int e = 0; e < VEC; ++e) sum[e] += held[k][cell + OPEN - 1 - l].value[e];
            }
        }
        const i64 own = image + (h * g.W + w) * g.C;
        if (x) lead_back(sum, x + own, g.activation);
        store_channels<VEC>(gx + own, sum);
    });
}
