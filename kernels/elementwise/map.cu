/*
A function of up to three arrays, element by element, each repeated along any of its axes.

math:     y[i] = f(u[i], v[i], w[i]), the `function` of functions.cuh with its options a and b; where u or v is no array it
          is the number a
layout:   y (L) in one memory order, u, v and w in any
threads:  four accesses of VEC elements of one operand, two of several, a block's width apart
shared:   0
flops:    L
bytes:    e*(L + M)
requires: VEC > 1: the arrays aligned to 16 bytes, axis 0 one in memory or repeated, its size and all other strides
          multiples of VEC; y may be u, element on element
numerics: in ACC, rounded once to T; products are rounded before they are added to anything
optional: u v w
*/
#include "functions.cuh"
#include "walk.cuh"

template <typename F> __device__ __forceinline__ void map_with(
    const T* u, const T* v, const T* w, T* y, const Walk& walk, ACC a, ACC b)
{
    constexpr int EACH = F::ARITY == 1 ? 4 : 2;
    ACC p[EACH][VEC], q[EACH][VEC], r[EACH][VEC];
    i64 to[EACH];
    const i64 first = (i64)blockIdx.x * blockDim.x * EACH + threadIdx.x;

    // seek and load, all before the first is used
#pragma unroll
    for (int e = 0; e < EACH; ++e) {
        const i64 item = first + e * blockDim.x;
        if (item >= walk.items) continue;
        const Offsets at = seek(walk, item);
        to[e] = at.y;
        fetch(u ? u + at.u : u, walk.u[0] == 0, a, p[e]);
        if (F::ARITY > 1) fetch(v ? v + at.v : v, walk.v[0] == 0, a, q[e]);
        if (F::ARITY > 2) fetch(w ? w + at.w : w, walk.w[0] == 0, a, r[e]);
    }

    // combine and write
#pragma unroll
    for (int e = 0; e < EACH; ++e) {
        if (first + e * blockDim.x >= walk.items) continue;
#pragma unroll
        for (int j = 0; j < VEC; ++j) {
            const ACC second = F::ARITY > 1 ? q[e][j] : 0, third = F::ARITY > 2 ? r[e][j] : 0;
            p[e][j] = F::value(p[e][j], second, third, a, b);
        }
        store_channels(y + to[e], p[e]);
    }
}

#define OF(number, F) case number: return map_with<F>(u, v, w, y, walk, a, b)

extern "C" __global__ void __launch_bounds__(256) map(
    const T* u, const T* v, const T* w, T* y, const __grid_constant__ Walk walk, ACC a, ACC b)
{
    switch (walk.function) {  // in the order of FUNCTIONS in gpunn/cuda/elementwise.py
        OF(0, Copy); OF(1, Add); OF(2, Subtract); OF(3, Multiply); OF(4, Divide); OF(5, Maximum); OF(6, Minimum);
        OF(7, Power); OF(8, Exp); OF(9, Log); OF(10, Sqrt); OF(11, Absolute); OF(12, Negative); OF(13, Clip);
        OF(14, DivideSlope); OF(15, SqrtSlope); OF(16, AbsoluteSlope); OF(17, ClipSlope); OF(18, MaximumSlope);
        OF(19, MinimumSlope); OF(20, PowerSlope); OF(21, PowerLog);
    }
}
