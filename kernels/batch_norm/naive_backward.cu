/*
Batch normalisation backward, naive: one block does one channel from sums to gradient.

math:     g = y given ? (y > 0 ? gy : 0) : gy; n = (x - mean) * rstd; gbeta = sum g; ggamma = sum g*n;
          gx = gamma * rstd * (training ? g - gbeta/M - n*ggamma/M : g), M = N*L; gresidual = g
layout:   x, gy, y, gx, gresidual (N,L,C) with NHWC=1, (N,C,L) with NHWC=0; the others (C)
threads:  a block owns channel blockIdx.x; its threads take every 128th element
shared:   2*128*4 if e < 8 else 2*128*8
flops:    11*N*C*L
bytes:    5*e*N*C*L
requires: 128 threads a block; N*L below 2^31
numerics: a running sum a thread, joined as a tree of fixed shape
optional: gamma y gresidual
*/
#include "geometry.cuh"

extern "C" __global__ void batch_norm_naive_backward(
    const T* gy, const T* x, const T* y, const ACC* gamma, const ACC* mean, const ACC* rstd,
    T* gx, ACC* ggamma, ACC* gbeta, T* gresidual, Norm g, int training)
{
    // seek
    __shared__ ACC plain[128], sloped[128];
    const int c = blockIdx.x, me = threadIdx.x, M = g.N * g.L;
    const ACC centre = mean[c], inverse = rstd[c];

    // combine this thread's elements, then the threads
    ACC above[1];
    plain[me] = sloped[me] = 0;
    for (int m = me; m < M; m += 128) {
        const i64 at = g.element(m, c);
        rectified(gy, y, at, above);
        plain[me] += above[0];
        sloped[me] += above[0] * (load(x + at) - centre) * inverse;
    }
    for (int half = 64; half > 0; half /= 2) {
        __syncthreads();
        if (me < half) plain[me] += plain[me + half], sloped[me] += sloped[me + half];
    }
    __syncthreads();
    if (me == 0) gbeta[c] = plain[0], ggamma[c] = sloped[0];

    // write
    const ACC scale = (gamma ? gamma[c] : (ACC)1) * inverse;
    const ACC level = training ? plain[0] / M : (ACC)0, slope = training ? sloped[0] / M : (ACC)0;
    for (int m = me; m < M; m += 128) {
        const i64 at = g.element(m, c);
        rectified(gy, y, at, above);
        store(gx + at, scale * (above[0] - level - (load(x + at) - centre) * inverse * slope));
        if (gresidual) store(gresidual + at, above[0]);
    }
}
