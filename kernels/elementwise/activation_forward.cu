/*
An activation, forward: each element on its own.

math:     y[i] = f(x[i]), the FUNCTION of activation.cuh with its options a and b
layout:   x and y (L) in one memory order, whichever it is
threads:  four accesses of VEC elements, a block's width apart
shared:   0
flops:    10*L
bytes:    2*e*L
requires: VEC > 1: x and y aligned to 16 bytes, L a multiple of VEC
numerics: in ACC, rounded once to T
*/
#include "curves.cuh"

extern "C" __global__ void __launch_bounds__(256) activation_forward(const T* x, T* y, i64 L, ACC a, ACC b) {
    constexpr int EACH = 4;
    ACC v[EACH][VEC];
    const i64 first = (i64)blockIdx.x * blockDim.x * EACH + threadIdx.x;

    // load, all before the first is used
#pragma unroll
    for (int e = 0; e < EACH; ++e) {
        const i64 i = (first + e * blockDim.x) * VEC;
        if (i < L) load_channels(x + i, v[e]);
    }

    // combine and write
#pragma unroll
    for (int e = 0; e < EACH; ++e) {
        const i64 i = (first + e * blockDim.x) * VEC;
        if (i >= L) continue;
#pragma unroll
        for (int j = 0; j < VEC; ++j) v[e][j] = FUNCTION::value(v[e][j], a, b);
        store_channels(y + i, v[e]);
    }
}
