/*
GRU, one step forward behind its products: gates and state.

math:     r, z = logistic of gates[t] + product; n = tanh(gates[t] + r * product); h' = n + z*(h - n), where
          t < lengths[n]; else h' = h and y = 0
layout:   gates (steps,N,3,H), the inputs' product, which r, z and n replace where inner is given; product (N,3,H);
          inner (steps,N,H), the product's third part; states (rows,N,H), of which row before is read and row after
          written; y (steps,N,H); lengths (N)
threads:  a thread owns VEC neighbouring units of a sample, all three gates
shared:   0
flops:    24*N*H
bytes:    e*(6 + 3 + 2)*N*H + (4 if e < 8 else 8)*N*H
requires: VEC > 1: H a multiple of VEC, arrays aligned to 16 bytes
numerics: ACC; inner is kept in it
optional: inner lengths y
*/
#include "cells.cuh"
#include "units.cuh"

extern "C" __global__ void __launch_bounds__(256) gru_forward(
    T* gates, const T* product, T* states, ACC* inner, const int* lengths, T* y, Recurrent g,
    int t, int before, int after)
{
    // seek
    const Units own(g);
    if (!own.real) return;
    const i64 step = (i64)g.N * g.H;
    gates += 3 * t * step;
    const bool runs = !lengths || t < lengths[own.n];

    // load
    ACC v[3][VEC], p[3][VEC], h[VEC];
#pragma unroll
    for (int k = 0; k < 3; ++k) {
        load_channels(gates + own.gate(g, 3, k), v[k]);
        load_channels(product + own.gate(g, 3, k), p[k]);
    }
    load_channels(states + before * step + own.at, h);

    // combine
#pragma unroll
    for (int j = 0; j < VEC; ++j)
        h[j] = Gru::forward(v[0][j], v[1][j], v[2][j], p[0][j], p[1][j], p[2][j], h[j]);

    // write
    if (inner) {
#pragma unroll
        for (int k = 0; k < 3; ++k) store_channels(gates + own.gate(g, 3, k), v[k]);
        store_state(inner + t * step + own.at, p[2]);
    }
    finish(y ? y + t * step : y, own, runs, h, states + before * step);
    store_channels(states + after * step + own.at, h);
}
