// Deviations so large that the sum of their squares overflows ACC (in float from 1e19 on, in a long sum sooner): they are
// read again and summed in a unit in which it does not. No other channel pays for that.
#pragma once
#include "geometry.cuh"
#include "moments.cuh"

__device__ __forceinline__ ACC far_unit() { return sizeof(ACC) == 8 ? (ACC)0x1p-800 : (ACC)0x1p-96; }

// Whether m2 overflowed on the way, which shows as infinity or as NaN; one that is not finite spoils the mean, too.
__device__ __forceinline__ bool overflowed(ACC mean, ACC m2) { return isfinite(mean) && !isfinite(m2); }

// The sum of squared deviations, in that unit, of every step-th element of channel c.
__device__ __forceinline__ ACC far_squares(const T* x, const Norm& g, int c, ACC mean, int first, int step) {
    ACC sum = 0;
    for (i64 m = first; m < (i64)g.N * g.L; m += step) {
        const ACC off = (load(x + g.element(m, c)) - mean) * far_unit();
        sum += off * off;
    }
    return sum;
}

// Variance and 1 / sqrt(variance + eps) of M elements: from m2, or from far_squares where m2 overflowed.
struct Spread {
    ACC variance, rstd;

    __device__ __forceinline__ Spread(ACC M, ACC m2, ACC eps) : variance(m2 / M), rstd(rstd_of(variance, eps)) {}
    __device__ __forceinline__ static Spread far(ACC M, ACC squares) {
        Spread found(M, squares, 0);
        found.variance = found.variance / far_unit() / far_unit();  // infinite where it does not fit
        found.rstd *= far_unit();
        return found;
    }
};

// A channel's mean and rstd, and the running ones moved.
__device__ __forceinline__ void write_moments(
    int c, ACC centre, const Spread& spread, const Factors& factors, ACC* mean, ACC* rstd, ACC* running_mean,
    ACC* running_var)
{
    mean[c] = centre, rstd[c] = spread.rstd;
    move(running_mean, c, factors.keep, factors.step, centre);
    move(running_var, c, factors.keep, factors.step_var, spread.variance);
}
