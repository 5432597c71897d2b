/*
Softmax cross-entropy with class indices, forward: scores to the reduced loss in one launch.

math:     loss[m] = (1-s) * w[t] * (logsum - (x[t]-peak)) + s/C * sum over c of w[c] * (logsum - (x[c]-peak)),
          t = labels[m]; summed, or divided by the sum of w[t], over rows whose label is not `ignore`; 0*inf = 0
layout:   x (M/L,C,L) row-major; labels, loss of no reduction (M); rows (2,M): peak, log of the sum of exp(x-peak);
          divisor (3): see tally.cuh; parts (3,J), J = gridDim.x; state (5);
          fed: the serial number, where it is given
threads:  LANES threads a row; 256/LANES rows a block; the last block adds up the parts
shared:   256*20 + 1
flops:    5*M*C
bytes:    e*M*C + 8*M + 2*(4 if e < 8 else 8)*M
requires: 256 threads a block; LANES 32 or 1; state's ticket 0, and no other launch on it at once
numerics: exp and sums of a row in ACC, lane by lane, then a butterfly; sums over rows in double, in a fixed order
optional: weight fed
*/
#include "tally.cuh"

__device__ __forceinline__ ACC over_lanes(ACC v, bool maximum) {
#pragma unroll
    for (int step = LANES / 2; step > 0; step /= 2) {
        const ACC other = __shfl_xor_sync(0xffffffffu, v, step);
        v = !maximum ? v + other : other > v ? other : v;
    }
    return v;
}

extern "C" __global__ void __launch_bounds__(256, 3) cross_entropy_forward(
    const T* x, const LABEL* labels, const T* weight, T* loss, ACC* rows, ACC* divisor, double* parts, i64* state,
    int M, int C, int L, i64 ignore, ACC smoothing, int reduction, i64 serial, i64 call,
    const i64* fed)
{
    const int lane = threadIdx.x % LANES;
    const i64 m = thread_index() / LANES;
    Tally mine = {0, 0, none};
    if (m < M) {
        const T* row = x + (m / L) * C * L + m % L;

        // A NaN is no maximum; it turns up in the sum.
        ACC peak = __uint_as_float(0xff800000u);
        for (int c = lane; c < C; c += LANES) {
            const ACC v = load(row + (i64)c * L);
            peak = v > peak ? v : peak;
        }
        peak = over_lanes(peak, true);

        ACC sum = 0, spread = 0, weights = 0;
        for (int c = lane; c < C; c += LANES) {
            const ACC v = below_peak(load(row + (i64)c * L), peak), w = weight ? load(weight + c) : (ACC)1;
            sum += exp(v);
            weights += w;
            if (smoothing != 0) spread += weighed(w, v);
        }
        const ACC logsum = log(over_lanes(sum, false));
        weights = over_lanes(weights, false), spread = over_lanes(spread, false);

        if (lane == 0) {
            const i64 t = class_of(labels[m]);
            const bool real = t >= 0 && t < C && t != ignore;
            const ACC hit = real ? below_peak(load(row + t * L), peak) : (ACC)0;
            const ACC w = real && weight ? load(weight + t) : (ACC)1;
            ACC value = weighed((1 - smoothing) * w, logsum - hit);
            if (smoothing != 0) value += smoothing / C * (weights * logsum - spread);
            rows[m] = peak, rows[M + m] = logsum;
            mine = row_tally(value, w, t, ignore, C, m);
            if (reduction == NONE) store(loss + m, (ACC)mine.loss);
            if (m == 0) divisor[1] = weights;
        }
    }
    finish(mine, parts, loss, divisor, state, labels, reduction, serial, call, fed);
}
