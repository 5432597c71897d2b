/*
Connectionist temporal classification backward: the gradient of the scores before log_softmax.

math:     gx[t,n,c] = (exp(x[t,n,c]) - sum over the positions s of class c: shares[t,n,s]) * gy[n] / (S of n, of a mean) /
          divisor; 0 at steps that a sample has not, and of infinite losses NaN, or 0 where they count as 0
layout:   x and gx (L,N,C), shares (L,N,2K+1), row-major; targets (N,S), or (M); steps, lengths, starts and each (N); divisor
          (1); gy (N) or 0-d; next (2,N,K) as in ctc_shares.cu
threads:  a block owns the classes of one sample at one step; each label that is the first of its class adds up the others
shared:   0
flops:    2*L*N*C
bytes:    2*e*L*N*C + max(e, 4)*L*N*(2*K+1)
requires: whole warps a block, 256 threads at most
numerics: in ACC; shares of a label by positions, of the blank over the lanes of a warp
*/
#include "ctc.cuh"

// The sum of the blank's shares, in the first lane of the first warp.
__device__ __forceinline__ ACC of_blank(const ACC* shares, const Sample& sample, const Ctc& g) {
    ACC sum = 0;
    for (int s = threadIdx.x; s < sample.positions(); s += 32) {
        if (sample.at_position(s, g) == g.blank) sum += shares[s];
    }
    return add_lanes(sum);
}

extern "C" __global__ void __launch_bounds__(256) ctc_backward(
    const T* gy, const T* x, const LABEL* targets, const i64* steps, const i64* lengths, const i64* starts, const ACC* each,
    const ACC* divisor, const ACC* shares, const int* next, T* gx, Ctc g)
{
    // seek
    const int step = blockIdx.x / g.N, n = blockIdx.x - step * g.N, me = threadIdx.x;
    const i64 row = (i64)blockIdx.x * g.C;
    x += row, gx += row, shares += (i64)blockIdx.x * g.width(), next += (i64)n * g.K;
    const bool none = divisor[0] == infinity() || step >= steps[n], lost = each[n] == infinity();
    if (none || lost) {
        for (int c = me; c < g.C; c += blockDim.x) store(gx + c, none || g.zero_infinity ? 0 : not_a_number());
        return;
    }
    const Sample sample = {x, targets + starts[n], n, (int)lengths[n], (int)steps[n]};
    const ACC share = load(gy + (g.reduction == NONE ? n : 0)) / divisor[0];
    const ACC scale = g.reduction == MEAN ? share / larger(sample.count, 1) : share;

    // classes that no label names
    for (int c = me; c < g.C; c += blockDim.x) store(gx + c, exp(load(x + c)) * scale);
    __syncthreads();

    // those that one does
    for (int j = me; j < sample.count; j += blockDim.x) {
        const int c = (int)sample.label(j);
        if (!next[(i64)g.N * g.K + j] || c == g.blank) continue;
        ACC sum = 0;
        for (int k = j; k >= 0; k = next[k]) sum += shares[2 * k + 1];
        store(gx + c, (exp(load(x + c)) - sum) * scale);
    }
    if (me >= 32) return;
    const ACC sum = of_blank(shares, sample, g);
    if (me == 0) store(gx + g.blank, (exp(load(x + g.blank)) - sum) * scale);
}
