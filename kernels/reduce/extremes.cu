/*
The largest or smallest over any axes of an array, and its place among them: split over the device, in one launch.

math:     y[o] = x[o, place[o]], the largest or smallest of x[o,r] over r, of equal ones the first; the first NaN, if any
layout:   y and places (O) in the order of x's memory, x with any strides (struct Axes), whose `other` is the place of r
threads:  as in axes.cu: 256 a block in `lanes` beside each other, along o where COLUMNS, else along r; blockIdx.x = tile
          of o, part of r; the block that comes last for its tile joins the parts
shared:   256*16*VEC
flops:    M
bytes:    e*(M + L) + 8*L
requires: VEC > 1: x aligned to 16 bytes, and along axis 0 one in memory, its size and all other strides multiples of VEC;
          256 threads a block; lanes a power of two
numerics: no rounding: y is an element of x; -0 and 0 are equal
optional: parts part_places tickets
*/
#include "../tensor/ticket.cuh"
#include "axes.cuh"

// A number and its place, which is past every other's where there is no number yet.
struct Found { double value; i64 place; };

__device__ __forceinline__ Found better(int what, Found a, Found b) {
    const bool equal = a.value == b.value || (a.value != a.value && b.value != b.value);
    const bool ahead = what == LARGEST ? b.value > a.value : b.value < a.value;
    return (equal ? b.place < a.place : ahead || b.value != b.value) ? b : a;
}

// What the threads of one result have, in the first of them. Members are `step` threads apart.
template <int W> __device__ __forceinline__ void join_threads(Found (&mine)[W], int what, const Share& s) {
    __shared__ double values[VEC][THREADS];
    __shared__ i64 places[VEC][THREADS];
    const int me = threadIdx.x;
    __syncthreads();  // the call before this one has been read
#pragma unroll
    for (int j = 0; j < W; ++j) values[j][me] = mine[j].value, places[j][me] = mine[j].place;
    for (int half = s.members / 2; half > 0; half /= 2) {
        __syncthreads();
        if (s.member >= half) continue;
        const int there = me + half * s.step;
#pragma unroll
        for (int j = 0; j < W; ++j) {
            mine[j] = better(what, mine[j], {values[j][there], places[j][there]});
            values[j][me] = mine[j].value, places[j][me] = mine[j].place;
        }
    }
}

extern "C" __global__ void __launch_bounds__(256, 2) reduce_extremes(
    const T* x, T* y, i64* places, double* parts, i64* part_places, int* tickets, const __grid_constant__ Axes axes)
{
    constexpr int W = COLUMNS ? VEC : 1;
    const int what = axes.what;
    const Found none = {__uint_as_float(what == LARGEST ? 0xff800000u : 0x7f800000u), 0x7fffffffffffffffLL};

    // seek the tile's result of this thread, and the part's share of what it is sought in
    const Share s = share_of(axes);
    const Offsets from = seek(s.o, axes.kept_rank, axes.kept_size, axes.kept_x, axes.kept_other, {0, 0});
    const i64 apart = COLUMNS ? 0 : axes.reduced_other[0] / VEC;  // from the place of one element of a pack to the next
    Found best[W];
#pragma unroll
    for (int j = 0; j < W; ++j) best[j] = none;

    // combine, four accesses at once
#pragma unroll 1
    for (i64 r = s.begin + s.member; r < s.end; r += 4 * s.members) {
        ACC v[4][VEC];
        i64 place[4];
#pragma unroll
        for (int e = 0; e < 4; ++e) {
            if (r + e * s.members >= s.end) continue;
            const Offsets at = seek(r + e * s.members, axes.reduced_rank, axes.reduced_size, axes.reduced_x,
                                    axes.reduced_other, from);
            load_channels(x + at.x, v[e]);
            place[e] = at.other;
        }
#pragma unroll
        for (int e = 0; e < 4; ++e) {
            if (r + e * s.members >= s.end) continue;
#pragma unroll
            for (int j = 0; j < VEC; ++j) {
                Found& one = best[COLUMNS ? j : 0];
                one = better(what, one, {v[e][j], place[e] + j * apart});
            }
        }
    }
    join_threads(best, what, s);

    // join the parts
    if (axes.J > 1) {
        if (s.member == 0 && s.mine) {
#pragma unroll
            for (int j = 0; j < W; ++j) {
                const i64 at = (s.part * axes.kept + s.o) * W + j;
                parts[at] = best[j].value, part_places[at] = best[j].place;
            }
        }
        if (!drew_last(tickets + s.tile, axes.J)) return;
#pragma unroll
        for (int j = 0; j < W; ++j) best[j] = none;
        for (int i = s.member; s.mine && i < axes.J; i += s.members) {
#pragma unroll
            for (int j = 0; j < W; ++j) {
                const i64 at = (i * axes.kept + s.o) * W + j;
                best[j] = better(what, best[j], {parts[at], part_places[at]});
            }
        }
        join_threads(best, what, s);
    }

    // write
    if (s.member != 0 || !s.mine) return;
    ACC out[W];
#pragma unroll
    for (int j = 0; j < W; ++j) {
        out[j] = best[j].value;
        places[s.o * W + j] = best[j].place;
    }
    store_channels(y + s.o * W, out);
}
