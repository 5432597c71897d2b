/*
Softmax of rows, or its logarithm, forward: the largest score and the sum of exponentials in one read of the row.

math:     peak = largest of x[c], sum = sum over c of exp(x[c] - peak); y[c] = exp(x[c] - peak) / sum, or `log`:
          x[c] - peak - log(sum); beside +inf what is less is -inf
layout:   x, y (M/L,C,L): M rows, whose C elements lie L apart
threads:  row.cuh: a team of threads a row, or with ACROSS=1 VEC rows; four loads in flight
shared:   (2*512*VEC if ACROSS else 32)*(4 if e < 8 else 8)
flops:    6*M*C
bytes:    2*e*M*C
requires: team a power of two up to 512, dividing the block; ACROSS=0: L = 1; VEC > 1 needs C % VEC = 0, or with ACROSS=1
          L % VEC = 0
numerics: a NaN is no largest score, and turns up in the sum; sums in ACC, of a thread chunk by chunk, those before scaled
          to a new largest score; over the team in a fixed order
*/
#include "softmax.cuh"

extern "C" __global__ void __launch_bounds__(512, 1) softmax_forward(
    const T* __restrict__ x, T* __restrict__ y, i64 M, int C, i64 L, int team, int log_of)
{
    const Team own(team);
    const Scores line(own, M, C, L);
    softmax<false>(own, line, x, y, log_of, [](int, ACC (&)[VEC]) {});
}
