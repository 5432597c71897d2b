/*
Negative log-likelihood with class indices, forward: log-probabilities to the reduced loss in one launch.

math:     loss[m] = -w[t] * x[t], t = labels[m]; summed, or divided by the sum of w[t], over rows whose label is not
          `ignore`; 0*inf = 0
layout:   x (M/L,C,L) row-major; labels, loss of no reduction (M); divisor (3): see tally.cuh; parts (3,J), J = gridDim.x;
          state (5); fed: the serial number, where it is given
threads:  one a row; the last block adds up the parts
shared:   256*20 + 1
flops:    2*M
bytes:    e*M + 8*M
requires: 256 threads a block; state's ticket 0, and no other launch on it at once
numerics: sums over rows in double, in a fixed order
optional: weight fed
*/
#include "tally.cuh"

extern "C" __global__ void __launch_bounds__(256, 4) nll_forward(
    const T* x, const LABEL* labels, const T* weight, T* loss, ACC* divisor, double* parts, i64* state,
    int M, int C, int L, i64 ignore, int reduction, i64 serial, i64 call,
    const i64* fed)
{
    const i64 m = thread_index();
    Tally mine = {0, 0, none};
    if (m < M) {
        const i64 t = class_of(labels[m]);
        const bool real = t >= 0 && t < C && t != ignore;
        const ACC w = real && weight ? load(weight + t) : (ACC)1;
        const ACC value = real ? weighed(-w, load(x + (m / L) * C * L + t * L + m % L)) : (ACC)0;
        mine = row_tally(value, w, t, ignore, C, m);
        if (reduction == NONE) store(loss + m, (ACC)mine.loss);
    }
    finish(mine, parts, loss, divisor, state, labels, reduction, serial, call, fed);
}
