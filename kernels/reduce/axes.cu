/*
Sums, means, products, norms and extremes over any axes of an array, or of its product with another: split over the
device, in one launch.

math:     y[o] = sum, or largest, or smallest over r of x[o,r] * factor[o,r]; a sum divided by `divisor`; or of x alone
          the sum of |x|, the root of the sum of x^2, the largest |x|, the product
layout:   y (O) in the order of x's memory, x and factor with any strides (struct Axes), repeated where they are 0
threads:  256 a block in `lanes` beside each other: neighbours in memory, along o where COLUMNS, else along r; blockIdx.x =
          tile of o, part of r; a thread takes four accesses of VEC elements at once, the block that comes last for its
          tile joins the parts
shared:   256*8*VEC
flops:    M
bytes:    e*(M + L)
requires: VEC > 1: x aligned to 16 bytes, and along axis 0 one in memory, its size and all other strides multiples of VEC,
          factor likewise or repeated there; 256 threads a block; lanes a power of two
numerics: in float64, in a fixed order: the same bits at every run; rounded once; NaN wins over every number
optional: factor parts tickets
*/
#include "../tensor/ticket.cuh"
#include "axes.cuh"

__device__ __forceinline__ double joined(int what, double a, double b) {
    if (what == SUM || what == NORM1 || what == NORM2) return a + b;
    if (what == PRODUCT) return a * b;
    return (what == SMALLEST ? b < a : b > a) || b != b ? b : a;
}

// An element as it is joined: of norms its size, squared in float64, where no float overflows.
__device__ __forceinline__ double term(int what, double v) {
    return what == NORM2 ? v * v : v < 0 && (what == NORM1 || what == AMAX) ? -v : v;
}

// What the threads of one sum have, in the first of them: a tree of fixed shape. Members are `step` threads apart.
template <int W> __device__ __forceinline__ void join_threads(double (&mine)[W], int what, const Share& s) {
    __shared__ double room[VEC][THREADS];
    const int me = threadIdx.x;
    __syncthreads();  // the call before this one has been read
#pragma unroll
    for (int j = 0; j < W; ++j) room[j][me] = mine[j];
    for (int half = s.members / 2; half > 0; half /= 2) {
        __syncthreads();
        if (s.member >= half) continue;
#pragma unroll
        for (int j = 0; j < W; ++j) room[j][me] = mine[j] = joined(what, mine[j], room[j][me + half * s.step]);
    }
}

extern "C" __global__ void __launch_bounds__(256, 2) reduce_axes(
    const T* x, const T* factor, T* y, double* parts, int* tickets, const __grid_constant__ Axes axes, double divisor)
{
    constexpr int W = COLUMNS ? VEC : 1;
    const int what = axes.what;
    const double none = what == LARGEST    ? __uint_as_float(0xff800000u)
                        : what == SMALLEST ? __uint_as_float(0x7f800000u)
                                           : what == PRODUCT;

    // seek the tile's sum of this thread, and the part's share of what is added
    const Share s = share_of(axes);
    const Offsets from = seek(s.o, axes.kept_rank, axes.kept_size, axes.kept_x, axes.kept_other, {0, 0});
    const bool repeated = (COLUMNS ? axes.kept_other[0] : axes.reduced_other[0]) == 0;
    double sum[W];
#pragma unroll
    for (int j = 0; j < W; ++j) sum[j] = none;

    // combine, four accesses at once
#pragma unroll 1
    for (i64 r = s.begin + s.member; r < s.end; r += 4 * s.members) {
        ACC v[4][VEC];
#pragma unroll
        for (int e = 0; e < 4; ++e) {
            if (r + e * s.members >= s.end) continue;
            const Offsets at = seek(r + e * s.members, axes.reduced_rank, axes.reduced_size, axes.reduced_x,
                                    axes.reduced_other, from);
            load_channels(x + at.x, v[e]);
            if (!factor) continue;
            ACC w[VEC];
            if (!repeated) load_channels(factor + at.other, w);
            const ACC one = repeated ? load(factor + at.other) : 0;
#pragma unroll
            for (int j = 0; j < VEC; ++j) v[e][j] = times(v[e][j], repeated ? one : w[j]);
        }
#pragma unroll
        for (int e = 0; e < 4; ++e) {
            if (r + e * s.members >= s.end) continue;
#pragma unroll
            for (int j = 0; j < VEC; ++j) {
                double& one = sum[COLUMNS ? j : 0];
                one = what == SUM ? one + v[e][j] : joined(what, one, term(what, v[e][j]));
            }
        }
    }
    join_threads(sum, what, s);

    // join the parts
    if (axes.J > 1) {
        if (s.member == 0 && s.mine) {
#pragma unroll
            for (int j = 0; j < W; ++j) parts[(s.part * axes.kept + s.o) * W + j] = sum[j];
        }
        if (!drew_last(tickets + s.tile, axes.J)) return;
#pragma unroll
        for (int j = 0; j < W; ++j) sum[j] = none;
        for (int i = s.member; s.mine && i < axes.J; i += s.members) {
#pragma unroll
            for (int j = 0; j < W; ++j) sum[j] = joined(what, sum[j], parts[(i * axes.kept + s.o) * W + j]);
        }
        join_threads(sum, what, s);
    }

    // write
    if (s.member != 0 || !s.mine) return;
    ACC out[W];
#pragma unroll
    for (int j = 0; j < W; ++j) out[j] = what == NORM2 ? sqrt(sum[j]) : divisor == 1 ? sum[j] : sum[j] / divisor;
    store_channels(y + s.o * W, out);
}
