/*
An activation, backward: each element on its own.

math:     gx[i] = gy[i] * f'(x[i]), from kept[i], which is x[i] or y[i] as the FUNCTION of activation.cuh wants it
layout:   gy, kept and gx (L) in one memory order, whichever it is
threads:  one an access of VEC elements
shared:   0
flops:    12*L
bytes:    3*e*L
requires: VEC > 1: the arrays aligned to 16 bytes, L a multiple of VEC
numerics: in ACC, rounded once to T
*/
#include "activation.cuh"

extern "C" __global__ void activation_backward(const T* gy, const T* kept, T* gx, i64 L, ACC a, ACC b) {
    const i64 i = thread_index() * VEC;
    if (i >= L) return;
    ACC g[VEC], v[VEC];
    load_channels(gy + i, g);
    load_channels(kept + i, v);
#pragma unroll
    for (int j = 0; j < VEC; ++j) g[j] = FUNCTION::gradient(g[j], v[j], a, b);
    store_channels(gx + i, g);
}
