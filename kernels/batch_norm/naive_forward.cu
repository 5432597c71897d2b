/*
Batch normalisation, training forward, naive: one block does one channel from statistics to output.

math:     mean, var = moments of x[:,c,:]; y = relu?(gamma[c] * (x - mean) / sqrt(var + eps) + beta[c] + residual?);
          the running statistics move as in statistics.cu
          rstd = 1 / sqrt(var + eps), var the biased one
layout:   x, residual, y (N,L,C) with NHWC=1, (N,C,L) with NHWC=0; gamma, beta, mean, rstd (C); tickets (1), with batches
threads:  a block owns channel blockIdx.x; its threads take every 128th element
shared:   4*128*4 if e < 8 else 4*128*8
flops:    10*N*C*L
bytes:    3*e*N*C*L
requires: 128 threads a block; N*L below 2^31
numerics: Welford a thread, Chan's merge as a tree of fixed shape; squares that overflow are summed again in another unit
optional: gamma beta residual running_mean running_var batches tickets
*/
#include "far.cuh"
#include "gate.cuh"

extern "C" __global__ void batch_norm_naive_forward(
    const T* x, const ACC* gamma, const ACC* beta, const T* residual, T* y, ACC* mean, ACC* rstd,
    ACC* running_mean, ACC* running_var, i64* batches, int* tickets, Norm g, ACC eps, int relu, double momentum,
    double ratio)
{
    // seek
    __shared__ Moments found[128];
    __shared__ ACC squares[128];
    const int c = blockIdx.x, me = threadIdx.x, M = g.N * g.L;

    // combine this thread's elements, then the threads
    Moments mine = {};
    for (int m = me; m < M; m += 128) {
        const ACC value = load(x + g.element(m, c)), delta = value - mine.mean;
        mine.count += 1;
        mine.mean += delta / mine.count;
        mine.m2 += delta * (value - mine.mean);
    }
    found[me] = mine;
    for (int half = 64; half > 0; half /= 2) {
        __syncthreads();
        if (me < half) found[me] = merge(found[me], found[me + half]);
    }
    __syncthreads();
    const ACC centre = found[0].mean;
    const bool far = overflowed(centre, found[0].m2);  // the same for the whole block
    if (far) squares[me] = far_squares(x, g, c, centre, me, 128);
    for (int half = 64; far && half > 0; half /= 2) {
        __syncthreads();
        if (me < half) squares[me] += squares[me + half];
    }
    __syncthreads();
    const Spread spread = far ? Spread::far(M, squares[0]) : Spread(M, found[0].m2, eps);
    if (me == 0) {
        const Factors factors(momentum, ratio, batches);
        write_moments(c, centre, spread, factors, mean, rstd, running_mean, running_var);
        // the last channel's block counts the batch: all have asked how many there were, before their tickets
        if (batches) {
            __threadfence();
            const bool last = atomicAdd(tickets, 1) == g.C - 1;
            __threadfence();
            if (last) *tickets = 0, ++*batches;
        }
    }

    // write
    const ACC scale = (gamma ? gamma[c] : (ACC)1) * spread.rstd, shift = beta ? beta[c] : (ACC)0;
    for (int m = me; m < M; m += 128) {
        const i64 at = g.element(m, c);
        ACC value = value_of(load(x + at) - centre, scale, shift);
        if (residual) value += load(residual + at);
        store(y + at, relu && value < 0 ? (ACC)0 : value);
    }
}
