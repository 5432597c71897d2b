/*
Sums, means and extremes over any axes of an array, or of its product with another: split over the device, in one launch.

math:     y[o] = sum, or largest, or smallest over r of x[o,r] * factor[o,r]; a sum divided by `divisor`
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

#define THREADS 256
enum { SUM, LARGEST, SMALLEST };

struct Axes {
    i64 kept, reduced;  // accesses of VEC elements along one of them, elements along the other
    int kept_rank, reduced_rank, what, lanes, J;
    i64 kept_size[6], kept_x[6], kept_factor[6];  // innermost first: size, elements from one to the next
    i64 reduced_size[6], reduced_x[6], reduced_factor[6];
};

struct Offsets { i64 x, factor; };

__device__ __forceinline__ Offsets seek(
    i64 item, int rank, const i64* size, const i64* apart_x, const i64* apart_factor, Offsets at)
{
#pragma unroll 1
    for (int axis = 0; axis < rank; ++axis) {
        i64 i = item;
        if (axis + 1 < rank) {
            item = (item | size[axis]) >> 32 ? item / size[axis] : (unsigned)item / (unsigned)size[axis];
            i -= item * size[axis];
        }
        at.x += i * apart_x[axis], at.factor += i * apart_factor[axis];
    }
    return at;
}

__device__ __forceinline__ double joined(int what, double a, double b) {
    if (what == SUM) return a + b;
    return (what == LARGEST ? b > a : b < a) || b != b ? b : a;
}

// What the threads of one sum have, in the first of them: a tree of fixed shape. Members are `step` threads apart.
template <int W> __device__ __forceinline__ void join_threads(
    double (&mine)[W], int what, int member, int members, int step)
{
    __shared__ double room[VEC][THREADS];
    const int me = threadIdx.x;
    __syncthreads();  // the call before this one has been read
#pragma unroll
    for (int j = 0; j < W; ++j) room[j][me] = mine[j];
    for (int half = members / 2; half > 0; half /= 2) {
        __syncthreads();
        if (member >= half) continue;
#pragma unroll
        for (int j = 0; j < W; ++j) room[j][me] = mine[j] = joined(what, mine[j], room[j][me + half * step]);
    }
}

extern "C" __global__ void __launch_bounds__(256, 2) reduce_axes(
    const T* x, const T* factor, T* y, double* parts, int* tickets, const __grid_constant__ Axes axes, double divisor)
{
    constexpr int W = COLUMNS ? VEC : 1;
    const int lane = threadIdx.x % axes.lanes, group = threadIdx.x / axes.lanes, groups = THREADS / axes.lanes;
    const int member = COLUMNS ? group : lane, members = COLUMNS ? groups : axes.lanes, step = COLUMNS ? axes.lanes : 1;
    const double none = axes.what == SUM ? 0 : __uint_as_float(axes.what == LARGEST ? 0xff800000u : 0x7f800000u);

    // seek the tile's sum of this thread, and the part's share of what is added
    const int tile = blockIdx.x / axes.J, part = blockIdx.x % axes.J;
    const i64 o = (i64)tile * (COLUMNS ? axes.lanes : groups) + (COLUMNS ? lane : group);
    const bool mine = o < axes.kept;
    const i64 each = (axes.reduced + axes.J - 1) / axes.J, begin = part * each;
    const i64 end = !mine ? 0 : begin + each < axes.reduced ? begin + each : axes.reduced;
    const Offsets from = seek(o, axes.kept_rank, axes.kept_size, axes.kept_x, axes.kept_factor, {0, 0});
    const bool repeated = (COLUMNS ? axes.kept_factor[0] : axes.reduced_factor[0]) == 0;
    double sum[W];
#pragma unroll
    for (int j = 0; j < W; ++j) sum[j] = none;

    // combine, four accesses at once
#pragma unroll 1
    for (i64 r = begin + member; r < end; r += 4 * members) {
        ACC v[4][VEC];
#pragma unroll
        for (int e = 0; e < 4; ++e) {
            if (r + e * members >= end) continue;
            const Offsets at = seek(r + e * members, axes.reduced_rank, axes.reduced_size, axes.reduced_x,
                                    axes.reduced_factor, from);
            load_channels(x + at.x, v[e]);
            if (!factor) continue;
            ACC w[VEC];
            if (!repeated) load_channels(factor + at.factor, w);
            const ACC one = repeated ? load(factor + at.factor) : 0;
#pragma unroll
            for (int j = 0; j < VEC; ++j) v[e][j] = times(v[e][j], repeated ? one : w[j]);
        }
#pragma unroll
        for (int e = 0; e < 4; ++e) {
            if (r + e * members >= end) continue;
#pragma unroll
            for (int j = 0; j < VEC; ++j) {
                double& one = sum[COLUMNS ? j : 0];
                one = axes.what == SUM ? one + v[e][j] : joined(axes.what, one, v[e][j]);
            }
        }
    }
    join_threads(sum, axes.what, member, members, step);

    // join the parts
    if (axes.J > 1) {
        if (member == 0 && mine) {
#pragma unroll
            for (int j = 0; j < W; ++j) parts[(part * axes.kept + o) * W + j] = sum[j];
        }
        if (!drew_last(tickets + tile, axes.J)) return;
#pragma unroll
        for (int j = 0; j < W; ++j) sum[j] = none;
        for (int i = member; mine && i < axes.J; i += members) {
#pragma unroll
            for (int j = 0; j < W; ++j) sum[j] = joined(axes.what, sum[j], parts[(i * axes.kept + o) * W + j]);
        }
        join_threads(sum, axes.what, member, members, step);
    }

    // write
    if (member != 0 || !mine) return;
    ACC out[W];
#pragma unroll
    for (int j = 0; j < W; ++j) out[j] = divisor == 1 ? sum[j] : sum[j] / divisor;
    store_channels(y + o * W, out);
}
