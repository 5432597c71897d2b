/*
Batch normalisation backward, naive: one block does one channel from sums to gradient.

math:     g = what the gate lets through of gy (gate.cuh); n = (x - mean) * rstd; gbeta = sum g; ggamma = sum g*n;
          gx = gamma * rstd * (training ? g - gbeta/M - n*ggamma/M : g), M = N*L; gresidual = g
layout:   x, gy, y, gx, gresidual (N,L,C) with NHWC=1, (N,C,L) with NHWC=0; signs (N*L*C/8); the others (C)
threads:  a block owns channel blockIdx.x; its threads take every 128th element
shared:   2*128*4 if e < 8 else 2*128*8
flops:    11*N*C*L
bytes:    5*e*N*C*L
requires: 128 threads a block; N*L below 2^31; not both y and signs
numerics: a running sum a thread, joined as a tree of fixed shape
optional: y signs gamma beta gresidual
*/
#include "gate.cuh"

extern "C" __global__ void batch_norm_naive_backward(
    const T* gy, const T* x, const T* y, const u8* signs, const ACC* gamma, const ACC* beta, const ACC* mean,
    const ACC* rstd, T* gx, ACC* ggamma, ACC* gbeta, T* gresidual, Norm g, int relu, int training)
{
    // seek
    __shared__ ACC plain[128], sloped[128];
    const int c = blockIdx.x, me = threadIdx.x, M = g.N * g.L;
    const ACC centre = mean[c], inverse = rstd[c], shift = beta ? beta[c] : (ACC)0;
    const ACC scale = (gamma ? gamma[c] : (ACC)1) * inverse;
    const Gate gate = {y, signs, relu};
    const auto let_through = [&](i64 at, ACC off) {
        ACC passing[1];
        rectified(gy, y, at, passing);
        if (signs && !(gate.bits(at) & 1)) passing[0] = 0;
        if (gate.anew() && !(value_of(off, scale, shift) > above_zero(x))) passing[0] = 0;
        return passing[0];
    };

    // combine this thread's elements, then the threads
    plain[me] = sloped[me] = 0;
    for (int m = me; m < M; m += 128) {
        const i64 at = g.element(m, c);
        const ACC off = load(x + at) - centre, passing = let_through(at, off);
        plain[me] += passing;
        sloped[me] += passing * off * inverse;
    }
    for (int half = 64; half > 0; half /= 2) {
        __syncthreads();
        if (me < half) plain[me] += plain[me + half], sloped[me] += sloped[me + half];
    }
    __syncthreads();
    if (me == 0) gbeta[c] = plain[0], ggamma[c] = sloped[0];

    // write
    const ACC level = training ? plain[0] / M : (ACC)0, slope = training ? sloped[0] / M : (ACC)0;
    for (int m = me; m < M; m += 128) {
        const i64 at = g.element(m, c);
        const ACC off = load(x + at) - centre, passing = let_through(at, off);
        store(gx + at, scale * (passing - level - off * inverse * slope));
        if (gresidual) store(gresidual + at, passing);
    }
}
