// The pass that normalises, scales, adds a residual and rectifies, once a block's channels have their numbers in shared memory.
#pragma once
#include "moments.cuh"
#include "walk.cuh"

struct Line {
    Row centre, scale, shift;  // y = (x - centre) * scale + shift
};

// gamma and beta may be null; spread: rstd, or with `eps` the variance.
__device__ __forceinline__ void make_line(
    Line& line, const Channels& own, const ACC* gamma, const ACC* beta, const ACC* mean, const ACC* rstd, const ACC* var,
    ACC eps)
{
    for (int i = threadIdx.x; i < own.count; i += THREADS) {
        const int c = own.first + i;
        const ACC inverse = rstd ? rstd[c] : rstd_of(var[c], eps);
        line.centre.of[i] = mean[c];
        line.scale.of[i] = gamma ? gamma[c] * inverse : inverse;
        line.shift.of[i] = beta ? beta[c] : (ACC)0;
    }
    __syncthreads();
}

// The signs of y's packs, a bit an element: a byte is of 8 / VEC neighbouring threads, the first of which writes it.
__device__ __forceinline__ void store_signs(u8* signs, i64 at, const ACC (&v)[VEC]) {
    unsigned bits = 0;
#pragma unroll
    for (int j = 0; j < VEC; ++j) bits |= (v[j] > above_zero((const T*)nullptr) ? 1u : 0u) << j;
    const int lanes = 8 / VEC, lane = threadIdx.x % 32, first = lane & ~(lanes - 1);
#pragma unroll
    for (int off = 1; off < lanes; off *= 2)
        bits |= __shfl_down_sync(((1u << lanes) - 1) << first, bits, off) << (off * VEC);
    if (lane == first) signs[at >> 3] = (u8)bits;
}

// This thread's packs, AHEAD at a time: so many are fetched of each array before the first is looked at. The last ones come
// first: they have been read last, and may still be in the L2 cache.
template <int AHEAD, bool RESIDUAL>
__device__ __forceinline__ void normalise(
    const Walk& walk, const Line& line, const T* x, const T* residual, T* y, u8* signs, int relu)
{
    ACC centre[VEC], scale[VEC], shift[VEC];
    line.centre.widen(walk, centre), line.scale.widen(walk, scale), line.shift.widen(walk, shift);
    const ACC floor = relu ? 0 : -(ACC)__uint_as_float(0x7f800000u);  // no branch, which would part a pack's store
    for (int i = (walk.packs + AHEAD - 1) / AHEAD * AHEAD; i > 0;) {
        i -= AHEAD;
        Held below[AHEAD], beside[AHEAD];
#pragma unroll
        for (int u = 0; u < AHEAD; ++u) {
            if (i + u >= walk.packs) continue;
            below[u].fetch(x + walk.address(i + u));
            if (RESIDUAL) beside[u].fetch(residual + walk.address(i + u));
        }
#pragma unroll
        for (int u = 0; u < AHEAD; ++u) {
            if (i + u >= walk.packs) continue;
            const i64 at = walk.address(i + u);
            ACC v[VEC], more[VEC];
            below[u].widen(v);
            if (RESIDUAL) beside[u].widen(more);
#pragma unroll
            for (int j = 0; j < VEC; ++j) {
                v[j] = value_of(v[j] - centre[j], scale[j], shift[j]);
                if (RESIDUAL) v[j] += more[j];
                v[j] = v[j] < floor ? floor : v[j];
            }
            store_channels<VEC>(y + at, v);
            if (RESIDUAL && signs) store_signs(signs, at, v);
        }
    }
}

// Four loads in flight.
__device__ __forceinline__ void normalise(
    const Walk& walk, const Line& line, const T* x, const T* residual, T* y, u8* signs, int relu)
{
    if (residual) normalise<2, true>(walk, line, x, residual, y, signs, relu);
    else normalise<VEC == 1 ? 8 : 4, false>(walk, line, x, residual, y, signs, relu);
}
