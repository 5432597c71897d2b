/*
A function of up to three arrays, element by element, each repeated along any of its axes.

math:     y[i] = f(u[i], v[i], w[i]), the FUNCTION of functions.cuh with its options a and b; where u or v is no array it
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

extern "C" __global__ void __launch_bounds__(256) map(
    const T* u, const T* v, const T* w, T* y, const __grid_constant__ Walk walk, ACC a, ACC b)
{
    constexpr int EACH = FUNCTION::ARITY == 1 ? 4 : 2;
    ACC p[EACH][VEC], q[EACH][VEC], r[EACH][VEC];
    i64 of_u[EACH], of_v[EACH], of_w[EACH], to[EACH];
    const i64 first = (i64)blockIdx.x * blockDim.x * EACH + threadIdx.x;

    // seek and load, all before the first is used
#pragma unroll
    for (int e = 0; e < EACH; ++e) {
        const i64 item = first + e * blockDim.x;
        const Offsets at = item < walk.items ? seek(walk, item) : Offsets{-1, -1, -1, -1};
        of_u[e] = at.u, of_v[e] = at.v, of_w[e] = at.w, to[e] = at.y;
    }
    fetch(u, walk.u[0] == 0, a, of_u, p);
    if (FUNCTION::ARITY > 1) fetch(v, walk.v[0] == 0, a, of_v, q);
    if (FUNCTION::ARITY > 2) fetch(w, walk.w[0] == 0, a, of_w, r);

    // combine and write
#pragma unroll
    for (int e = 0; e < EACH; ++e) {
        if (to[e] < 0) continue;
#pragma unroll
        for (int j = 0; j < VEC; ++j) {
            const ACC second = FUNCTION::ARITY > 1 ? q[e][j] : 0, third = FUNCTION::ARITY > 2 ? r[e][j] : 0;
            p[e][j] = FUNCTION::value(p[e][j], second, third, a, b);
        }
        store_channels(y + to[e], p[e]);
    }
}
