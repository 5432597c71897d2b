/*
Softmax cross-entropy with class indices, backward: softmax less the smoothed label, from what forward kept.

math:     gx[m,c] = (p * ((1-s)*w[t] + s/C*sum of w) - s/C*w[c] - (c = t) * (1-s)*w[t]) * gy/divisor, t = labels[m],
          p = exp(x - peak - logsum); 0 where t = ignore, or where divisor is infinite
layout:   x, gx (M/L,C,L) row-major; labels (M); gy 0-d, or (M) with each=1; rows (2,M) and divisor (3) of forward
threads:  four accesses of VEC elements in memory order, a block's width apart
shared:   0
flops:    6*M*C
bytes:    2*e*M*C + 8*M + 2*(4 if e < 8 else 8)*M
requires: VEC > 1: L = 1, C a multiple of VEC, x and gx aligned to 16 bytes
numerics: ACC
optional: weight
*/
#include "tally.cuh"

static const int EACH = 4;

extern "C" __global__ void __launch_bounds__(256) cross_entropy_backward(
    const T* gy, const T* x, const LABEL* labels, const T* weight, const ACC* rows, const ACC* divisor, T* gx,
    int M, int C, int L, i64 ignore, ACC smoothing, int each)
{
    const i64 first = (i64)blockIdx.x * blockDim.x * EACH + threadIdx.x, size = (i64)M * C;
    ACC v[EACH][VEC];

    // load, all before the first is used
#pragma unroll
    for (int e = 0; e < EACH; ++e) {
        const i64 at = (first + e * blockDim.x) * VEC;
        if (at < size) load_channels<VEC>(x + at, v[e]);
    }

    // combine and write
    const ACC flat = smoothing / C, all = divisor[1], count = divisor[0];
#pragma unroll
    for (int e = 0; e < EACH; ++e) {
        const i64 at = (first + e * blockDim.x) * VEC;
        if (at >= size) continue;
        const i64 outer = size >> 32 ? at / ((i64)C * L) : (unsigned)at / ((unsigned)C * L);
        const unsigned inside = at - outer * C * L;
        const int c = inside / L;
        const i64 m = outer * L + (inside - c * L), t = class_of(labels[m]);
        const bool counts = t != ignore && !isinf(count);  // then every label is a class
        const ACC sharp = counts ? (1 - smoothing) * (weight ? load(weight + t) : (ACC)1) : (ACC)0;
        const ACC peak = rows[m], logsum = rows[M + m], above = load(gy + (each ? m : 0));
#pragma unroll
        for (int j = 0; j < VEC; ++j) {
            const ACC p = exp(below_peak(v[e][j], peak) - logsum), w = weight ? load(weight + c + j) : (ACC)1;
            ACC g = p * (sharp + flat * all) - flat * w;
            if (c + j == t) g -= sharp;
            v[e][j] = counts ? g * above / count : (ACC)0;
        }
        store_channels<VEC>(gx + at, v[e]);
    }
}
