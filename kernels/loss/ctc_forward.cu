/*
Connectionist temporal classification forward: how probable all ways to spell each target are, and their loss.

math:     alpha[t,n,s] = log(sum over the positions r from which a way comes to s: exp(alpha[t-1,n,r])) + x[t,n,class of s];
          each[n] = -log(exp(alpha[last,n,2S]) + exp(alpha[last,n,2S-1])); loss is each, their sum, or the mean of each / S
layout:   x (L,N,C), alpha (L,N,2K+1), row-major; targets (N,S), or (M) one after another; steps, lengths, starts and each
          (N); parts (3,N); loss (N) or 0-d; divisor (1): what a gradient is divided by, infinite where a number is wrong;
          state (5) as in tally.cuh; fed: the serial number, where it is given
threads:  a block owns a sample, whose positions its threads share; the block that ends last adds up the losses
shared:   256*20 + 1
flops:    8*L*N*(2*K+1)
bytes:    e*L*N*C + max(e, 4)*L*N*(2*K+1)
requires: 256 threads a block; M + 2N below 2^31; state's ticket 0, and no other launch on it at once
numerics: in ACC; sums over samples in double, by parts
optional: fed
*/
#include "ctc.cuh"

// The first number of sample n that is out of range, or `none`: labels are numbered as they lie, then steps, then lengths.
__device__ __forceinline__ int wrong_of(
    const LABEL* targets, const i64* steps, const i64* lengths, i64 start, int n, const Ctc& g)
{
    const i64 room = g.flat ? g.M - start : g.S, count = lengths[n];
    if (count < 0 || count > room || (g.flat && n == g.N - 1 && count != room)) return g.M + g.N + n;
    if (steps[n] < 0 || steps[n] > g.L) return g.M + n;
    for (i64 m = start + threadIdx.x; m < start + count; m += THREADS) {
        const i64 label = class_of(targets[m]);
        if (label < 0 || label >= g.C) return m;
    }
    return none;
}

// The loss of one sample, whose alpha the block makes.
__device__ __forceinline__ ACC spelled(const Sample& sample, ACC* alpha, const Ctc& g) {
    const int last = sample.positions() - 1;
    if (sample.count > sample.steps) return infinity();  // so many labels take as many steps
    if (sample.steps == 0) return 0;
    const i64 each = (i64)g.N * g.width();
    ACC* row = alpha + (i64)sample.n * g.width();
    for (int s = threadIdx.x; s <= last; s += THREADS) row[s] = s < 2 ? sample.seen(0, s, g) : -infinity();
    for (i64 step = 1; step < sample.steps; ++step) {
        __syncthreads();
        const ACC* before = row;
        row += each;
        for (int s = threadIdx.x; s <= last; s += THREADS) {
            const ACC two = s > 0 ? before[s - 1] : -infinity(), three = sample.skips(s) ? before[s - 2] : -infinity();
            row[s] = joined(before[s], two, three) + sample.seen(step, s, g);
        }
    }
    __syncthreads();
    return -joined(row[last], last ? row[last - 1] : -infinity(), -infinity());
}

extern "C" __global__ void __launch_bounds__(256, 2) ctc_forward(
    const T* x, const LABEL* targets, const i64* steps, const i64* lengths, ACC* alpha, ACC* each, i64* starts, T* loss,
    ACC* divisor, double* parts, i64* state, Ctc g, i64 serial, i64 call, const i64* fed)
{
    // seek
    const int n = blockIdx.x, me = threadIdx.x;
    i64 start = (i64)n * g.S;
    if (g.flat) {
        start = 0;
        for (int i = 0; i < n; ++i) start += lengths[i] < 0 ? 0 : lengths[i] < g.M ? lengths[i] : g.M;
    }
    const int wrong = wrong_of(targets, steps, lengths, start, n, g);

    // combine
    ACC value = not_a_number();
    int count = 0;
    if (!__syncthreads_or(wrong != none)) {
        count = (int)lengths[n];
        value = spelled({x, targets + start, n, count, (int)steps[n]}, alpha, g);
    }

    // write
    Tally mine = {0, 0, wrong};
    if (me == 0) {
        const ACC kept = g.zero_infinity && value == infinity() ? 0 : value;
        starts[n] = start, each[n] = value;
        if (g.reduction == NONE) store(loss + n, kept);
        mine.loss = g.reduction == MEAN ? kept / larger(count, 1) : kept;
    }
    if (!total(mine, parts, state)) return;
    if (g.reduction != NONE) store(loss, (ACC)(g.reduction == MEAN ? mine.loss / g.N : mine.loss));
    divisor[0] = mine.wrong != none ? infinity() : g.reduction == MEAN ? g.N : 1;
    if (mine.wrong == none || state[1]) return;
    const int first = mine.wrong - g.M;
    state[1] = fed ? *fed : serial, state[3] = mine.wrong, state[4] = call;
    state[2] = first < 0 ? (i64)targets[mine.wrong] : first < g.N ? steps[first] : lengths[first - g.N];
}
