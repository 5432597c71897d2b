/*
Max pooling backward from places alone, of windows that nobody knows and that may name a place any number of times.

math:     gx[n,c,l] = sum of gy[n,c,m] over the m with place[n,c,m] = l; a place of -1 adds nothing, nor does one outside of
          0 .. L-1, which is noted in state
layout:   gy and place (N,C,M), gx (N,C,L), all channels-last (NHWC=1) or all row-major (NHWC=0); parts (J), J = gridDim.x;
          state (5): see note.cuh; fed: the serial number, where it is given
threads:  a block of LANES threads owns 16*LANES elements of a plane of gx and goes through the plane's outputs, LANES at a
          time: of those that go to one place the first adds up all
shared:   16*LANES*(4 if e < 8 else 8) + LANES*((4 if e < 8 else 8) + 12) + 1
flops:    N*C*M
bytes:    e*N*C*(L + M) + 8*N*C*M
requires: LANES threads a block; one sample of gy and of gx below 2^31 elements; state's ticket 0, and no other launch on it at
          once
numerics: sums in ACC, in the order of m: the same bits at every run
optional: fed
*/
#include "note.cuh"

static const int SPAN = 16 * LANES;

extern "C" __global__ void __launch_bounds__(LANES) max_pool_scatter(
    const T* gy, const PLACE* place, T* gx, i64* parts, i64* state, int C, int L, int M, i64 serial, i64 call, const i64* fed)
{
    __shared__ ACC sums[SPAN], value[LANES];
    __shared__ int target[LANES];

    // seek
    const int me = threadIdx.x, pieces = ceil_div(L, SPAN), step = NHWC ? C : 1;
    const i64 plane = blockIdx.x / pieces, sample = plane / C;
    const int c = plane - sample * C, first = (blockIdx.x - plane * pieces) * SPAN, size = smaller(SPAN, L - first);
    const i64 above = NHWC ? sample * M * C + c : plane * M, below = NHWC ? sample * L * C + c : plane * L;
    for (int k = me; k < SPAN; k += LANES) sums[k] = 0;

    // combine
    i64 wrong = NONE;
    for (int begin = 0; begin < M; begin += LANES) {
        const i64 at = above + (i64)(begin + me) * step, where = begin + me < M ? place[at] : -1;
        if (where < -1 || where >= L) wrong = earlier(wrong, plane * M + begin + me);
        const bool mine = where >= first && where < first + size;
        target[me] = mine ? (int)(where - first) : -1;
        if (mine) value[me] = load(gy + at);
        if (!__syncthreads_or(mine)) continue;

        int k = 0;
        while (mine && k < me && target[k] != target[me]) ++k;
        if (mine && k == me) {
            ACC sum = sums[target[me]];
            for (; k < LANES; ++k) {
                if (target[k] == target[me]) sum += value[k];
            }
            sums[target[me]] = sum;
        }
        __syncthreads();  // before the next outputs come
    }

    // write
    for (int k = me; k < size; k += LANES) store(gx + below + (i64)(first + k) * step, sums[k]);
    note<LANES>(wrong, place, parts, state, C, M, serial, call, fed);
}
