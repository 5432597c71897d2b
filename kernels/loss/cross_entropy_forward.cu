/*
Softmax cross-entropy with class indices, forward: scores to the reduced loss in one launch.

math:     loss[m] = (1-s) * w[t] * (logsum - (x[t]-peak)) + s/C * sum over c of w[c] * (logsum - (x[c]-peak)),
          t = labels[m]; summed, or divided by the sum of w[t], over rows whose label is not `ignore`; 0*inf = 0
layout:   x (M/L,C,L) row-major; labels, loss of no reduction (M); rows (2,M): peak, log of the sum of exp(x-peak);
          divisor (3): see tally.cuh; parts (3,J), J = gridDim.x; state (5);
          fed: the serial number, where it is given
threads:  LANES threads a row, of which each has four accesses of VEC scores in flight; 256/LANES rows a block; the last
          block adds up the parts
shared:   256*20 + 1
flops:    5*M*C
bytes:    e*M*C + 8*M + 2*(4 if e < 8 else 8)*M
requires: 256 threads a block; LANES 32 or 1; VEC > 1: L = 1, C a multiple of VEC, x aligned to 16 bytes; state's ticket
          0, and no other launch on it at once
numerics: a row is read once, with smoothing twice; exp and sums of a row in ACC, scaled whenever a larger score comes,
          lane by lane, then a butterfly; sums over rows in double, in a fixed order
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

static const int EACH = 4;

__device__ __forceinline__ ACC least() { return __uint_as_float(0xff800000u); }

// exp(score - peak), where no score is above the peak: nothing beside a row of -inf so far.
__device__ __forceinline__ ACC share(ACC score, ACC peak) {
    return score == least() ? (ACC)0 : exp(below_peak(score, peak));
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
        ACC peak = least(), sum = 0;
        for (int first = lane * VEC; first < C; first += EACH * LANES * VEC) {
            ACC v[EACH][VEC], top = peak;
#pragma unroll
            for (int e = 0; e < EACH; ++e) {
                const int c = first + e * LANES * VEC;
#pragma unroll
                for (int j = 0; j < VEC; ++j) v[e][j] = least();
                if (c < C) load_channels<VEC>(row + (i64)c * L, v[e]);
            }
#pragma unroll
            for (int e = 0; e < EACH; ++e) {
#pragma unroll
                for (int j = 0; j < VEC; ++j) top = v[e][j] > top ? v[e][j] : top;
            }
            sum *= share(peak, top), peak = top;
#pragma unroll
            for (int e = 0; e < EACH; ++e) {
#pragma unroll
                for (int j = 0; j < VEC; ++j) sum += share(v[e][j], peak);
            }
        }
        const ACC top = over_lanes(peak, true), logsum = log(over_lanes(sum * share(peak, top), false));
        peak = top;

        ACC spread = 0, weights = 0;
        for (int c = lane; smoothing != 0 && c < C; c += LANES) {
            const ACC v = below_peak(load(row + (i64)c * L), peak), w = weight ? load(weight + c) : (ACC)1;
            weights += w, spread += weighed(w, v);
        }
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
