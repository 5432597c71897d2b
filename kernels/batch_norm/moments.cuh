// Mean and m2, the sum of squared deviations from it, of a growing set of numbers, without cancellation.
// Welford, Technometrics 4 (1962); merging: Chan, Golub, LeVeque, "Updating formulae ..." (1979), eq. 2.1.
#pragma once
#include "../common.cuh"

struct Moments {
    ACC count, mean, m2;
};

__device__ __forceinline__ Moments merge(const Moments& a, const Moments& b) {
    if (b.count == 0) return a;
    const ACC count = a.count + b.count, delta = b.mean - a.mean, part = b.count / count;
    return {count, a.mean + delta * part, a.m2 + b.m2 + delta * delta * a.count * part};
}

// How far running statistics move towards a batch's: by the momentum, or, where it is NaN, to the mean over all batches.
// The unbiased variance is `ratio` times the biased one.
struct Factors {
    ACC keep, step, step_var;

    __device__ __forceinline__ Factors(double momentum, double ratio, const i64* batches) {
        const double part = momentum == momentum ? momentum : 1. / (double)(*batches + 1);
        keep = 1 - part, step = part, step_var = part * ratio;
    }
};

// A running statistic, where there is one, moved towards the batch's.
__device__ __forceinline__ void move(ACC* running, int c, ACC keep, ACC step, ACC now) {
    if (running) running[c] = running[c] * keep + step * now;
}

// 1 / sqrt(var + eps), by IEEE square root and division: rsqrt would cost two bits.
__device__ __forceinline__ ACC rstd_of(ACC var, ACC eps) { return (ACC)1 / sqrt(var + eps); }
