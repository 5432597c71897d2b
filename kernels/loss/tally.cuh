// What every loss kernel ends with: the blocks' sums become one number, in an order that no schedule changes.
#pragma once
#include "../common.cuh"

#define THREADS 256
enum { NONE, MEAN, SUM };  // reductions

typedef unsigned long long u64;

// A label as a class. One past 2^63 is none, though its bits may be those of the label to ignore.
template <typename Label> __device__ __forceinline__ i64 class_of(Label label) { return label; }
__device__ __forceinline__ i64 class_of(u64 label) { return label >> 63 ? 0x7fffffffffffffffll : (i64)label; }

// A product in which 0 times infinity is 0: what has no weight does not count, whatever it is.
__device__ __forceinline__ ACC weighed(ACC weight, ACC value) { return weight == 0 || value == 0 ? 0 : weight * value; }

// A score less the row's largest; of an infinite one the limit.
__device__ __forceinline__ ACC below_peak(ACC score, ACC peak) { return isinf(score) && score > 0 ? 0 : score - peak; }

// Sums over rows, and the first row whose label is no class; `none` where all are.
struct Tally {
    double loss, weight;
    int wrong;
};
const int none = 0x7fffffff;

__device__ __forceinline__ Tally joined(const Tally& a, const Tally& b) {
    return {a.loss + b.loss, a.weight + b.weight, a.wrong < b.wrong ? a.wrong : b.wrong};
}

// One row's share of the result: `value` weighs `weight`, unless the label is ignored or no class.
// A row that does not count adds 0 also where its value is infinite; a wrong label makes the loss NaN.
__device__ __forceinline__ Tally row_tally(ACC value, ACC weight, i64 label, i64 ignore, int C, int m) {
    if (label == ignore) return {0, 0, none};
    if (label < 0 || label >= C) return {__uint_as_float(0x7fc00000u), 0, m};
    return {value, weight, none};
}

// The block's tally in thread 0: a tree of fixed shape.
__device__ __forceinline__ Tally block_tally(Tally mine) {
    __shared__ double losses[THREADS], weights[THREADS];
    __shared__ int wrong[THREADS];
    const int me = threadIdx.x;
    __syncthreads();  // the call before this one has been read
    losses[me] = mine.loss, weights[me] = mine.weight, wrong[me] = mine.wrong;
    for (int half = THREADS / 2; half > 0; half /= 2) {
        __syncthreads();
        if (me >= half) continue;
        mine = joined(mine, {losses[me + half], weights[me + half], wrong[me + half]});
        losses[me] = mine.loss, weights[me] = mine.weight, wrong[me] = mine.wrong;
    }
    return mine;
}

// parts (3,J) takes each block's tally; the block that draws the last ticket adds them up, part 0 first. Whether this is
// its first thread, which then has the sums in `mine`.
__device__ __forceinline__ bool total(Tally& mine, double* parts, i64* ticket) {
    __shared__ bool last;
    const int J = gridDim.x, me = threadIdx.x;

    // write this block's part, then draw
    mine = block_tally(mine);
    if (me == 0) {
        parts[blockIdx.x] = mine.loss, parts[J + blockIdx.x] = mine.weight;
        parts[2 * J + blockIdx.x] = mine.wrong;
        __threadfence();
        last = atomicInc(reinterpret_cast<unsigned*>(ticket), J - 1) == J - 1;  // wraps to 0 for the next launch
        __threadfence();
    }
    __syncthreads();
    if (!last) return false;

    // combine
    mine = {0, 0, none};
    for (int j = me; j < J; j += THREADS) mine = joined(mine, {parts[j], parts[J + j], (int)parts[2 * J + j]});
    mine = block_tally(mine);
    return me == 0;
}

// Notes the first label that is no class, unless an earlier one has not been reported yet.
template <typename Label> __device__ __forceinline__ void note(
    int wrong, i64* state, const Label* labels, i64 serial, i64 call, const i64* fed)
{
    if (wrong == none || state[1]) return;
    state[1] = fed ? *fed : serial, state[2] = (i64)labels[wrong], state[3] = wrong, state[4] = call;
}

// What a loss leaves behind.
//   loss        the 0-d result of MEAN and SUM; the mean of nothing is NaN
//   divisor     what the rows' gradients are divided by: infinite where nothing counts or a label is wrong, so that
//               a bad batch has a gradient of exactly 0; behind it the sum of w, and that of w[t] over rows that count
//   fed         the serial number, inside a captured graph
//   state (5)   a ticket, 0 between launches; the first offence not yet reported: serial (0: none), label, row, call
template <typename Label> __device__ __forceinline__ void finish(
    Tally mine, double* parts, T* loss, ACC* divisor, i64* state, const Label* labels, int reduction, i64 serial,
    i64 call, const i64* fed)
{
    if (!total(mine, parts, state)) return;
    const Tally all = mine;
    const double count = reduction == MEAN ? all.weight : 1, infinite = __uint_as_float(0x7f800000u);
    if (reduction == MEAN) store(loss, (ACC)(count == 0 ? __uint_as_float(0x7fc00000u) : all.loss / count));
    if (reduction == SUM) store(loss, (ACC)all.loss);
    divisor[0] = count == 0 || all.wrong != none ? infinite : count;
    divisor[2] = all.weight;
    note(all.wrong, state, labels, serial, call, fed);
}
