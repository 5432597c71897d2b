/*
The share of a target's ways that are at each position at each step.

math:     beta[t,n,s] = log(sum over the positions r to which a way goes from s: exp(beta[t+1,n,r] + x[t+1,n,class of r]));
          shares[t,n,s] = exp(alpha[t,n,s] + beta[t,n,s] + each[n])
layout:   x (L,N,C), alpha and shares (L,N,2K+1), row-major; targets (N,S), or (M); steps, lengths, starts and each (N);
          divisor (1); rows (2,N,2K+1); next (2,N,K): the next label of a sample that is the same, or -1, and whether it is
          the first of them
threads:  a block owns a sample, whose positions its threads share
shared:   0
flops:    8*L*N*(2*K+1)
bytes:    e*L*N*C + 2*max(e, 4)*L*N*(2*K+1)
requires: 256 threads a block; steps, lengths, starts, alpha, each and divisor as ctc_forward has them; where divisor or each
          is infinite no share is written
numerics: in ACC
*/
#include "ctc.cuh"

extern "C" __global__ void __launch_bounds__(256, 2) ctc_shares(
    const T* x, const LABEL* targets, const i64* steps, const i64* lengths, const i64* starts, const ACC* alpha,
    const ACC* each, const ACC* divisor, ACC* shares, ACC* rows, int* next, Ctc g)
{
    // seek
    const int n = blockIdx.x;
    if (divisor[0] == infinity() || each[n] == infinity()) return;
    const Sample sample = {x, targets + starts[n], n, (int)lengths[n], (int)steps[n]};
    const int last = sample.positions() - 1;
    const i64 all = (i64)g.N * g.width(), own = (i64)n * g.width();

    // labels that are the same
    for (int j = threadIdx.x; j < sample.count; j += THREADS) {
        int before = j - 1, behind = j + 1;
        while (before >= 0 && sample.label(before) != sample.label(j)) --before;
        while (behind < sample.count && sample.label(behind) != sample.label(j)) ++behind;
        next[(i64)n * g.K + j] = behind < sample.count ? behind : -1;
        next[((i64)g.N + n) * g.K + j] = before < 0;
    }

    // combine, and write
    for (i64 step = sample.steps - 1; step >= 0; --step) {
        const ACC* behind = rows + (step + 1) % 2 * all + own;
        ACC* row = rows + step % 2 * all + own;
        for (int s = threadIdx.x; s <= last; s += THREADS) {
            ACC beta = s >= last - 1 ? 0 : -infinity();
            if (step + 1 < sample.steps) {
                const ACC two = s < last ? behind[s + 1] : -infinity();
                const ACC three = sample.skips(s + 2) ? behind[s + 2] : -infinity();
                beta = joined(behind[s], two, three);
            }
            shares[step * all + own + s] = exp(alpha[step * all + own + s] + beta + each[n]);
            row[s] = beta + sample.seen(step, s, g);
        }
        __syncthreads();
    }
}
