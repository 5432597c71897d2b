// Mean and spread of a growing set of numbers without cancellation.
// Welford, Technometrics 4 (1962); merging: Chan, Golub, LeVeque, "Updating formulae ..." (1979), eq. 2.1.
#pragma once
#include "../common.cuh"

struct Moments {
    ACC count, mean, spread;  // spread: the sum of squared deviations from the mean
};

__device__ __forceinline__ Moments merge(const Moments& a, const Moments& b) {
    if (b.count == 0) return a;
    const ACC count = a.count + b.count, delta = b.mean - a.mean, share = b.count / count;
    return {count, a.mean + delta * share, a.spread + b.spread + delta * delta * a.count * share};
}

// 1 / sqrt(var + eps), by IEEE square root and division: rsqrt would cost two bits.
__device__ __forceinline__ ACC inverse_deviation(ACC var, ACC eps) { return (ACC)1 / sqrt(var + eps); }
