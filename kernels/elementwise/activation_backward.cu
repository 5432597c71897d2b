/*
An activation, backward: each element on its own.

math:     gx[i] = gy[i] * f'(x[i]), from kept[i], which is x[i] or y[i] as the FUNCTION of activation.cuh wants it
layout:   gy, kept and gx (L) in one memory order, whichever it is
threads:  two accesses of VEC elements of each array, a block's width apart
shared:   0
flops:    12*L
bytes:    3*e*L
requires: VEC > 1: the arrays aligned to 16 bytes, L a multiple of VEC
numerics: in ACC, rounded once to T
*/
#include "curves.cuh"

extern "C" __global__ void __launch_bounds__(256) activation_backward(
    const T* gy, const T* kept, T* gx, i64 L, ACC a, ACC b)
{
    constexpr int EACH = 2;
    ACC g[EACH][VEC], v[EACH][VEC];
    const i64 first = (i64)blockIdx.x * blockDim.x * EACH + threadIdx.x;

    // load, all before the first is used
#pragma unroll
    for (int e = 0; e < EACH; ++e) {
        const i64 i = (first + e * blockDim.x) * VEC;
        if (i >= L) continue;
        load_channels(gy + i, g[e]);
        load_channels(kept + i, v[e]);
    }

    // combine and write
#pragma unroll
    for (int e = 0; e < EACH; ++e) {
        const i64 i = (first + e * blockDim.x) * VEC;
        if (i >= L) continue;
#pragma unroll
        for (int j = 0; j < VEC; ++j) g[e][j] = FUNCTION::gradient(g[e][j], v[e][j], a, b);
        store_channels(gx + i, g[e]);
    }
}
