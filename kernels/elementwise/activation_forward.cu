/*
An activation, forward: each element on its own.

math:     y[i] = f(x[i]), the FUNCTION of activation.cuh with its options a and b
layout:   x and y (L) in one memory order, whichever it is
threads:  one an access of VEC elements
shared:   0
flops:    10*L
bytes:    2*e*L
requires: VEC > 1: x and y aligned to 16 bytes, L a multiple of VEC
numerics: in ACC, rounded once to T
*/
#include "activation.cuh"

extern "C" __global__ void activation_forward(const T* x, T* y, i64 L, ACC a, ACC b) {
    const i64 i = thread_index() * VEC;
    if (i >= L) return;
    ACC v[VEC];
    load_channels(x + i, v);
#pragma unroll
    for (int j = 0; j < VEC; ++j) v[j] = FUNCTION::value(v[j], a, b);
    store_channels(y + i, v);
}
