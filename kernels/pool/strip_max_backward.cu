/*
Max pooling backward down strips: common windows, whose gradients and indices a thread reads once for all that they cover.

math:     gx[n,c,h,w] = sum of gy[n,c,p,q] over the windows (p,q) whose index names (h,w); where an activation came before
          the pooling, whose result is y, gy times its slope at y
layout:   gy, index and y (N,C,P,Q), gx (N,C,H,W), all channels-last
threads:  a thread owns VEC channels of 2 neighbouring columns of cells, STRIDE x STRIDE inputs, and `rows` rows of them
shared:   0
flops:    N*C*P*Q
bytes:    e*N*C*(H*W + P*Q) + I*N*C*P*Q
requires: windows WIN x WIN, STRIDE apart, dilation 1; C % VEC = 0; one sample below 2^31 elements
numerics: sums in ACC, by r, then s
optional: y
*/
#include "strip.cuh"

typedef WordOf<VEC < 4 ? VEC : 4>::type Bits;  // winners stay packed: apart, they would fill as many registers as values

struct Winners {
    alignas(VEC) Bits bits[(VEC + 3) / 4];

    __device__ __forceinline__ int at(int e) const { return bits[e / 4] >> e % 4 * 8 & 255; }
};

struct Raw {
    Pack<T> gy, y;
    Winners winners;
};

struct Gradient {
    ACC value[VEC];
    Winners winners;

    __device__ __forceinline__ Gradient() : value(), winners() {}
};

extern "C" __global__ void strip_max_pool2d_backward(
    const T* gy, const INDEX* index, const T* y, T* gx, Pool2d g, int rows)
{
    const Strip at(thread_index(), g, cells_down(g), cells_across(g), rows);
    if (!at.real) return;
    const i64 outputs = g.output(at.n, at.c);
    T* image = gx + g.input(at.n, at.c);

    const auto fetch = [&](int p, int q, Raw& raw) {
        const i64 out = outputs + (p * g.Q + q) * g.C;
        raw.gy = load_pack(gy + out);
        typedef WordOf<VEC>::type All;
        *reinterpret_cast<All*>(raw.winners.bits) = *reinterpret_cast<const All*>(index + out);
        if (y) raw.y = load_pack(y + out);
    };
    const auto settle = [&](int, int, const Raw& raw, Gradient& held) {
        held.winners = raw.winners;
        load_channels<VEC>(raw.gy.item, held.value);
        if (y) lead_back(held.value, raw.y.item, g.activation);
    };
    go_back<Raw, Gradient>(g, at, fetch, settle, [&](int u, int cell, int i, int j, const Gradient (&held)[OPEN][HELD]) {
        const int h = g.row(u, i), w = g.col(at.column + cell, j);
        if (!g.inside(h, w)) return;
        ACC sum[VEC] = {};
#pragma unroll
        for (int k = 0; k < OPEN; ++k) {
#pragma unroll
            for (int l = 0; l < OPEN; ++l) {
                const int r = i + k * STRIDE, s = j + l * STRIDE;
                if (r >= WIN || s >= WIN) continue;
                const Gradient& window = held[k][cell + OPEN - 1 - l];
#pragma unroll
                for (int e = 0; e < VEC; ++e) {
                    if (window.winners.at(e) == r * WIN + s) sum[e] += window.value[e];
                }
            }
        }
        store_channels<VEC>(image + (h * g.W + w) * g.C, sum);
    });
}
