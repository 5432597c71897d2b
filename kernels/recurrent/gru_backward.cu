/*
GRU, one step back: from the state's gradient to those of both products' three gates, and what goes past them.

math:     gh' = gh + carry + gy[t]; gn = gh'*(1 - z)*(1 - n^2); gz = gh'*(h - n)*z*(1 - z); gr = gn*inner*r*(1 - r);
          ggates[t] = gr, gz, gn; gproducts[t] = gr, gz, gn*r; carry = gh'*z, where t < lengths[n]; else both are 0,
          carry = gh + carry
layout:   gy (steps,N,H); gh, carry (N,H), the latter changed in place; gates, ggates, gproducts (steps,N,3,H), gates of
          activations; inner (steps,N,H); states (rows,N,H) with h in row before; lengths (N)
threads:  a thread owns VEC neighbouring units of a sample, all three gates
shared:   0
flops:    28*N*H
bytes:    e*(3 + 3 + 6)*N*H + 3*(4 if e < 8 else 8)*N*H
requires: VEC > 1: H a multiple of VEC, arrays aligned to 16 bytes
numerics: ACC
optional: gy lengths
*/
#include "cells.cuh"
#include "units.cuh"

extern "C" __global__ void __launch_bounds__(256) gru_backward(
    const T* gy, const T* gh, ACC* carry, const T* gates, const ACC* inner, const T* states, const int* lengths, T* ggates,
    T* gproducts, Recurrent g, int t, int before)
{
    // seek
    const Units own(g);
    if (!own.real) return;
    const i64 step = (i64)g.N * g.H;
    gates += 3 * t * step, ggates += 3 * t * step, gproducts += 3 * t * step;
    const bool runs = !lengths || t < lengths[own.n];

    // load
    ACC v[3][VEC], of_h[VEC], h[VEC], p[VEC];
#pragma unroll
    for (int k = 0; k < 3; ++k) load_channels(gates + own.gate(g, 3, k), v[k]);
    load_channels(states + before * step + own.at, h);
    load_state(inner + t * step + own.at, p);
    gather_state(gy ? gy + t * step : gy, gh, carry, own, runs, of_h);

    // combine
#pragma unroll
    for (int j = 0; j < VEC; ++j)
        Gru::backward(v[0][j], v[1][j], v[2][j], p[j], h[j], of_h[j], runs);

    // write
#pragma unroll
    for (int k = 0; k < 3; ++k) {
        store_channels(ggates + own.gate(g, 3, k), v[k]);
        store_channels(gproducts + own.gate(g, 3, k), k < 2 ? v[k] : p);
    }
    store_state(carry + own.at, of_h);
}
