/*
LSTM, one step forward behind its products: gates, cell and state.

math:     i, f, g, o = logistic, logistic, tanh, logistic of gates[t] + product; c' = f*c + i*g; h' = o*tanh(c'), where
          t < lengths[n]; else c' = c, h' = h and y = 0
layout:   gates (steps,N,4,H), the inputs' product, which the activations replace with keep = 1; product (N,4,H);
          states (rows,N,H), cells (rows,N,H), of which rows before are read and after written; y (steps,N,H); lengths (N)
threads:  a thread owns VEC neighbouring units of a sample, all four gates
shared:   0
flops:    30*N*H
bytes:    e*(8 + 4 + 1)*N*H + 2*(4 if e < 8 else 8)*N*H
requires: VEC > 1: H a multiple of VEC, arrays aligned to 16 bytes
numerics: ACC; cells are kept in it
optional: lengths y
*/
#include "cells.cuh"
#include "units.cuh"

extern "C" __global__ void __launch_bounds__(256) lstm_forward(
    T* gates, const T* product, T* states, ACC* cells, const int* lengths, T* y, Recurrent g,
    int t, int before, int after, int cell_before, int cell_after, int keep)
{
    // seek
    const Units own(g);
    if (!own.real) return;
    const i64 step = (i64)g.N * g.H;
    gates += 4 * t * step;
    const bool runs = !lengths || t < lengths[own.n];

    // load
    ACC v[4][VEC], c[VEC], h[VEC];
#pragma unroll
    for (int k = 0; k < 4; ++k) {
        ACC p[VEC];
        load_channels(gates + own.gate(g, 4, k), v[k]);
        load_channels(product + own.gate(g, 4, k), p);
#pragma unroll
        for (int j = 0; j < VEC; ++j) v[k][j] += p[j];
    }
    load_state(cells + cell_before * step + own.at, c);

    // combine
#pragma unroll
    for (int j = 0; j < VEC; ++j)
        h[j] = Lstm::forward(v[0][j], v[1][j], v[2][j], v[3][j], c[j], runs);

    // write
#pragma unroll
    for (int k = 0; k < 4; ++k) {
        if (keep) store_channels(gates + own.gate(g, 4, k), v[k]);
    }
    store_state(cells + cell_after * step + own.at, c);
    finish(y ? y + t * step : y, own, runs, h, states + before * step);
    store_channels(states + after * step + own.at, h);
}
