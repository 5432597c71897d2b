/*
Elman's recurrent layer, one step forward behind its products: the state.

math:     h' = tanh or relu of gates[t] + product, where t < lengths[n]; else h' = h and y = 0
layout:   gates (steps,N,H), the inputs' product; product (N,H); states (rows,N,H), of which row before is read and row
          after written; y (steps,N,H); lengths (N)
threads:  a thread owns VEC neighbouring units of a sample
shared:   0
flops:    6*N*H
bytes:    e*3*N*H
requires: VEC > 1: H a multiple of VEC, arrays aligned to 16 bytes
numerics: ACC
optional: lengths y
*/
#include "units.cuh"

extern "C" __global__ void __launch_bounds__(256) rnn_forward(
    const T* gates, const T* product, T* states, const int* lengths, T* y, Recurrent g, int t, int before, int after)
{
    // seek
    const Units own(g);
    if (!own.real) return;
    const i64 step = (i64)g.N * g.H;
    const bool runs = !lengths || t < lengths[own.n];

    // combine
    ACC h[VEC], p[VEC];
    load_channels(gates + t * step + own.at, h);
    load_channels(product + own.at, p);
#pragma unroll
    for (int j = 0; j < VEC; ++j) h[j] = activated(h[j] + p[j], g.activation);

    // write
    finish(y ? y + t * step : y, own, runs, h, states + before * step);
    store_channels(states + after * step + own.at, h);
}
