/*
Elman's recurrent layer, one step back: from the state's gradient to the sum's before its tanh or ReLU.

math:     ggates[t] = (gh + carry + gy[t]) * f'(h'), carry = 0, where t < lengths[n]; else ggates[t] = 0,
          carry = gh + carry
layout:   gy, ggates (steps,N,H); gh, carry (N,H), the latter changed in place; states (rows,N,H) with h' in row after;
          lengths (N)
threads:  a thread owns VEC neighbouring units of a sample
shared:   0
flops:    6*N*H
bytes:    e*4*N*H
requires: VEC > 1: H a multiple of VEC, arrays aligned to 16 bytes; carry where there are lengths
numerics: ACC
optional: gy carry lengths
*/
#include "cells.cuh"
#include "units.cuh"

extern "C" __global__ void __launch_bounds__(256) rnn_backward(
    const T* gy, const T* gh, ACC* carry, const T* states, const int* lengths, T* ggates, Recurrent g, int t, int after)
{
    // seek
    const Units own(g);
    if (!own.real) return;
    const i64 step = (i64)g.N * g.H;
    const bool runs = !lengths || t < lengths[own.n];

    // combine
    ACC of_h[VEC], h[VEC];
    gather_state(gy ? gy + t * step : gy, gh, carry, own, runs, of_h);
    load_channels(states + after * step + own.at, h);
#pragma unroll
    for (int j = 0; j < VEC; ++j) h[j] = Rnn::backward(h[j], of_h[j], runs, g.activation);

    // write
    store_channels(ggates + t * step + own.at, h);
    if (carry) store_state(carry + own.at, of_h);
}
