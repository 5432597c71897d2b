/*
LSTM, one step back: from the gradients of state and cell to those of the four gates and of the cell before.

math:     gh' = gh + carry + gy[t]; gc' = gc + gh'*o*(1 - tanh(c')^2); ggates[t] = gc'*g*i*(1 - i), gc'*c*f*(1 - f),
          gc'*i*(1 - g^2), gh'*tanh(c')*o*(1 - o); gc = gc'*f, carry = 0, where t < lengths[n]; else ggates[t] = 0,
          carry = gh + carry
layout:   gy (steps,N,H); gh, carry, gc (N,H), the last two changed in place; gates, ggates (steps,N,4,H) of activations;
          cells (rows,N,H) with c in row before, c' in row after; lengths (N)
threads:  a thread owns VEC neighbouring units of a sample, all four gates
shared:   0
flops:    36*N*H
bytes:    e*(2 + 4 + 4)*N*H + 4*(4 if e < 8 else 8)*N*H
requires: VEC > 1: H a multiple of VEC, arrays aligned to 16 bytes; carry where there are lengths
numerics: ACC
optional: gy carry lengths
*/
#include "cells.cuh"
#include "units.cuh"

extern "C" __global__ void __launch_bounds__(256) lstm_backward(
    const T* gy, const T* gh, ACC* carry, ACC* gc, const T* gates, const ACC* cells, const int* lengths, T* ggates,
    Recurrent g, int t, int before, int after)
{
    // seek
    const Units own(g);
    if (!own.real) return;
    const i64 step = (i64)g.N * g.H;
    gates += 4 * t * step, ggates += 4 * t * step;
    const bool runs = !lengths || t < lengths[own.n];

    // load
    ACC v[4][VEC], c[VEC], last[VEC], of_c[VEC], of_h[VEC];
#pragma unroll
    for (int k = 0; k < 4; ++k) load_channels(gates + own.gate(g, 4, k), v[k]);
    load_state(cells + before * step + own.at, last);
    load_state(cells + after * step + own.at, c);
    load_state(gc + own.at, of_c);
    gather_state(gy ? gy + t * step : gy, gh, carry, own, runs, of_h);

    // combine
#pragma unroll
    for (int j = 0; j < VEC; ++j)
        Lstm::backward(v[0][j], v[1][j], v[2][j], v[3][j], last[j], c[j], of_h[j], of_c[j], runs);

    // write
#pragma unroll
    for (int k = 0; k < 4; ++k) store_channels(ggates + own.gate(g, 4, k), v[k]);
    store_state(gc + own.at, of_c);
    if (carry) store_state(carry + own.at, of_h);
}
