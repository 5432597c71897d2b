/*
Negative log-likelihood with class indices, backward.

math:     gx[m,c] = (c = t) * -w[t] * gy/divisor, t = labels[m]; 0 where t = ignore, or where divisor is infinite
layout:   gx (M/L,C,L) row-major; labels (M); gy 0-d, or (M) with each=1; divisor (3) of the forward kernel
threads:  one an element, in memory order
shared:   0
flops:    2*M
bytes:    e*M*C + 8*M
requires: none
numerics: ACC
optional: weight
*/
#include "tally.cuh"

extern "C" __global__ void nll_backward(
    const T* gy, const LABEL* labels, const T* weight, const ACC* divisor, T* gx,
    int M, int C, int L, i64 ignore, int each)
{
    const i64 at = thread_index();
    if (at >= (i64)M * C) return;
    const i64 m = at / ((i64)C * L) * L + at % L, t = class_of(labels[m]);

    ACC g = 0;
    if (t != ignore && t == at / L % C && !isinf(divisor[0])) {
        g = (weight ? -load(weight + t) : (ACC)-1) * (load(gy + (each ? m : 0)) / divisor[0]);
    }
    store(gx + at, g);
}
