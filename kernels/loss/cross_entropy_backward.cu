/*
Softmax cross-entropy with class indices, backward: softmax less the smoothed label, from what forward kept.

math:     gx[m,c] = (p * ((1-s)*w[t] + s/C*sum of w) - s/C*w[c] - (c = t) * (1-s)*w[t]) * gy/divisor, t = labels[m],
          p = exp(x - peak - logsum); 0 where t = ignore, or where divisor is infinite
layout:   x, gx (M/L,C,L) row-major; labels (M); gy 0-d, or (M) with each=1; rows (2,M) and divisor (3) of forward
threads:  one an element, in memory order
shared:   0
flops:    6*M*C
bytes:    2*e*M*C + 8*M + 2*(4 if e < 8 else 8)*M
requires: none
numerics: ACC
optional: weight
*/
#include "tally.cuh"

extern "C" __global__ void cross_entropy_backward(
    const T* gy, const T* x, const LABEL* labels, const T* weight, const ACC* rows, const ACC* divisor, T* gx,
    int M, int C, int L, i64 ignore, ACC smoothing, int each)
{
    const i64 at = thread_index();
    if (at >= (i64)M * C) return;
    const int c = at / L % C;
    const i64 m = at / ((i64)C * L) * L + at % L, t = class_of(labels[m]);

    ACC g = 0;
    if (t != ignore && !isinf(divisor[0])) {  // then every label is a class
        const ACC p = exp(below_peak(load(x + at), rows[m]) - rows[M + m]);
        const ACC sharp = (1 - smoothing) * (weight ? load(weight + t) : (ACC)1);
        const ACC flat = smoothing / C, w = weight ? load(weight + c) : (ACC)1;
        g = p * (sharp + flat * divisor[1]) - flat * w;
        if (c == t) g -= sharp;
        g *= (ACC)load(gy + (each ? m : 0)) / divisor[0];
    }
    store(gx + at, g);
}
