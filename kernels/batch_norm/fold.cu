/*
Batch normalisation folded into the convolution before it, for inference: weights and bias in one launch.

math:     scale[c] = gamma[c] / sqrt(var[c] + eps); folded[c,l] = weight[c,l] * scale[c];
          shift[c] = (bias[c] - mean[c]) * scale[c] + beta[c], c a filter, which is a channel of the normalisation
layout:   weight, folded (C,L) row-major, L the places of a filter; the others (C)
threads:  a block owns filter blockIdx.x; its threads take every 128th place
shared:   0
flops:    C*(L + 5)
bytes:    2*e*C*L
requires: 128 threads a block
numerics: ACC, rounded once on the way out
optional: bias gamma beta
*/
#include "geometry.cuh"
#include "moments.cuh"

extern "C" __global__ void batch_norm_fold(
    const T* __restrict__ weight, const T* __restrict__ bias, const ACC* __restrict__ gamma,
    const ACC* __restrict__ beta, const ACC* __restrict__ mean, const ACC* __restrict__ var, T* __restrict__ folded,
    T* __restrict__ shift, Norm g, ACC eps)
{
    // seek
    const int c = blockIdx.x;
    const i64 first = (i64)c * g.L;
    const ACC scale = (gamma ? gamma[c] : (ACC)1) * rstd_of(var[c], eps);

    // combine and write
    for (int at = threadIdx.x; at < g.L; at += 128) store(folded + first + at, load(weight + first + at) * scale);
    if (threadIdx.x == 0) {
        const ACC level = (bias ? load(bias + c) : (ACC)0) - mean[c];
        store(shift + c, level * scale + (beta ? beta[c] : (ACC)0));
    }
}
