// Implicit GEMM for layers of few filters (or channels, backwards): rows are pixels, depth is (tap, channel) as one axis, in
// J parts where there are few tiles. What fetching costs is next to no arithmetic: a step's places of the depth are a table
// that a few threads fill for all pixels, and of each pixel a bit a tap says whether the tap meets the source.
#pragma once
#include "piece.cuh"

static const int PLACES = BK / VEC, PIXELS = BM / THREADS, WEIGHTS = BK * BN / THREADS;

template <int RANK> struct Operands {
    const T* source;  // (N, *size, SC), the group's first channel
    const T* weight;  // (filters, taps, channels) of the group
    const int (&size)[RANK], (&window)[RANK], (&step)[RANK];  // step: from one tap to the next, in places of the source
    int SC, depth, columns, channels;
};

// VEC elements of the depth: how far from a pixel's first tap, in the weights, and the bit of their tap; 0 behind the end.
struct __align__(16) Place {
    int source, weight;
    unsigned tap;
};

// The pixels that this thread fetches: where in the source their first tap lies, and which taps meet it.
struct Pixels {
    i64 start[PIXELS];
    unsigned taps[PIXELS];
    template <int RANK>
    __device__ __forceinline__ void set(int i, const Operands<RANK>& o, bool real, int n, const int (&at)[RANK]) {
        start[i] = number((i64)n, o.size, at) * o.SC;
        taps[i] = real ? taps_inside(o.size, at, o.window, o.step) : 0u;
    }
};

struct __align__(16) Shared {
    ACC a[2][BK][BM], b[2][BK][BN + 4];  // +4: the eight depths that a warp stores of a filter lie on different banks
    Place places[2][PLACES];
};

// Adds depth `from` up to `end` (a multiple of BK, or all). DEEP: the depth is a filter's own run of memory (forward), else
// the filters themselves (grad_input).
template <bool DEEP, int RANK>
__device__ __forceinline__ void gemm(
    const Operands<RANK>& o, const Pixels& pixels, int from, int end, int first_column, Shared& shared, const Corner& at,
    ACC (&sums)[TM][TN])
{
    const int taps = volume(o.window), D = taps * o.depth;
    const Divider by_depth(o.depth);
    const Dividers<RANK - 1> by(o.window + 1);
    Piece a[PIXELS][PLACES];
    T b[WEIGHTS];

    auto look_up = [&](int buffer, int d0) {
        if (threadIdx.x >= PLACES) return;
        const int d = d0 + threadIdx.x * VEC;
        unsigned c = d, tap = by_depth.split(c);
        int at[RANK];
        at[0] = (int)by.split(tap, at + 1);
        Place& place = shared.places[buffer][threadIdx.x];
        each_axis<RANK>([&](int a) { at[a] *= o.step[a]; });
        place.source = number(0, o.size, at) * o.SC + (int)c;
        place.weight = ((int)c * taps + (int)tap) * o.channels;
        place.tap = d < D ? 1u << tap : 0u;
    };
    auto fetch = [&](int buffer, int d0) {
#pragma unroll
        for (int l = 0; l < PLACES; ++l) {
            const Place place = shared.places[buffer][l];
#pragma unroll
            for (int i = 0; i < PIXELS; ++i) {
                a[i][l] = Piece{};
                if (pixels.taps[i] & place.tap) a[i][l] = load_piece(o.source + pixels.start[i] + place.source);
            }
        }
#pragma unroll
        for (int l = 0; l < WEIGHTS; ++l) {
            const int item = threadIdx.x + l * THREADS, deep = DEEP ? item % BK : item / BN;
            const int column = first_column + (DEEP ? item / BK : item % BN);
            b[l] = T{};
            if constexpr (DEEP) {
                if (column < o.columns && d0 + deep < D) b[l] = o.weight[(i64)column * D + d0 + deep];
            } else {
                const Place place = shared.places[buffer][deep / VEC];
                const int weight = place.weight + deep % VEC * taps * o.channels + column;
                if (column < o.columns && place.tap) b[l] = o.weight[weight];
            }
        }
    };
    auto keep = [&](int buffer) {
#pragma unroll
        for (int i = 0; i < PIXELS; ++i) {
#pragma unroll
            for (int k = 0; k < BK; ++k) {
                shared.a[buffer][k][threadIdx.x + i * THREADS] = load(&a[i][k / VEC].item[k % VEC]);
            }
        }
#pragma unroll
        for (int l = 0; l < WEIGHTS; ++l) {
            const int item = threadIdx.x + l * THREADS;
            shared.b[buffer][DEEP ? item % BK : item / BN][DEEP ? item / BK : item % BN] = load(&b[l]);
        }
    };

    if (from >= end) return;
    look_up(0, from), look_up(1, from + BK);
    __syncthreads();
    fetch(0, from);
    keep(0);
    __syncthreads();
    for (int buffer = 0, d = from + BK;; buffer ^= 1, d += BK) {
        if (d < end) fetch(buffer ^ 1, d);
        look_up(buffer, d + BK);  // the places of the step after the next: those of this step have been read
        multiply<Straight, Straight>(shared.a[buffer], shared.b[buffer], at, sums);
        if (d >= end) break;
        keep(buffer ^ 1);
        __syncthreads();
    }
}

// This block's part of the depth, and its sums joined with the others'. True in the block that has the whole ones.
template <bool DEEP, int RANK>
__device__ __forceinline__ bool product(
    const Operands<RANK>& o, const Pixels& pixels, Split split, int first_row, int rows, int first_column, Shared& shared,
    const Corner& at, ACC (&sums)[TM][TN])
{
    const int D = volume(o.window) * o.depth, each = ceil_div(ceil_div(D, split.J), BK) * BK, from = split.part * each;
    gemm<DEEP>(o, pixels, from, smaller((i64)from + each, (i64)D), first_column, shared, at, sums);
    ACC none = 0;
    return join(split, sums, none, [&](int i, int half) {
        return first_row + at.row_of(i) < rows && first_column + at.col_of(half) < o.columns;
    });
}

template <int RANK>
__device__ __forceinline__ void narrow_forward(
    const T* x, const T* weight, const T* bias, const T* residual, T* y, ACC* parts, int* tickets, int J, int fan,
    const Axes<RANK>& g, int activation)
{
    // seek to the block's tile and part, and to the pixels that this thread fetches
    __shared__ Shared shared;
    const int Cg = g.Cg(), Kg = g.Kg(), first_filter = blockIdx.z * Kg, M = g.N * volume(g.out);
    const int down = gridDim.x / J, tile = (blockIdx.z * gridDim.y + blockIdx.y) * down + blockIdx.x / J;
    const int first_row = blockIdx.x / J * BM, first_column = blockIdx.y * BN;
    const T* filters = weight + (i64)first_filter * volume(g.window) * Cg;
    const Operands<RANK> o = {x + blockIdx.z * Cg, filters, g.in, g.window, g.dil, g.C, Cg, Kg, Cg};
    Pixels pixels;
#pragma unroll
    for (int i = 0; i < PIXELS; ++i) {
        const int m = first_row + threadIdx.x + i * THREADS;
        int at[RANK];
        const int n = split(m, g.out, at);
        each_axis<RANK>([&](int a) { at[a] = at[a] * g.stride[a] + g.begin[a]; });
        pixels.set(i, o, m < M, n, at);
    }

    // combine
    const Corner at;
    ACC sums[TM][TN] = {};
    const Split whole = {parts, tickets, J, fan, (int)(down * gridDim.y * gridDim.z), tile, (int)(blockIdx.x % J)};
    if (!product<true>(o, pixels, whole, first_row, M, first_column, shared, at, sums)) return;

    // write
    if (bias) add_bias(bias + first_filter, first_column, Kg, at, sums);
    if (residual) add_rows(residual + first_filter, g.K, at, first_row, M, first_column, Kg, Kg % 4 == 0, sums);
    activate(sums, activation);
    T* out = y + first_filter;
    store_tile(sums, at, first_row, M, first_column, Kg, Kg % 4 == 0, [&](int row) { return out + (i64)row * g.K; });
}

// Of stride 1: taps lie the other way.
template <int RANK>
__device__ __forceinline__ void narrow_grad_input(
    const T* gy, const T* weight, T* gx, ACC* parts, int* tickets, int J, int fan, const Axes<RANK>& g)
{
    // seek to the block's tile and part, and to the pixels that this thread fetches
    __shared__ Shared shared;
    const int Cg = g.Cg(), Kg = g.Kg(), group = blockIdx.z, M = g.N * volume(g.in);
    const int down = gridDim.x / J, tile = (blockIdx.z * gridDim.y + blockIdx.y) * down + blockIdx.x / J;
    const int first_row = blockIdx.x / J * BM, first_column = blockIdx.y * BN;
    int back[RANK];
    each_axis<RANK>([&](int a) { back[a] = -g.dil[a]; });
    const T* filters = weight + (i64)group * Kg * volume(g.window) * Cg;
    const Operands<RANK> o = {gy + group * Kg, filters, g.out, g.window, back, g.K, Kg, Cg, Cg};
    Pixels pixels;
#pragma unroll
    for (int i = 0; i < PIXELS; ++i) {
        const int m = first_row + threadIdx.x + i * THREADS;
        int at[RANK];
        const int n = split(m, g.in, at);
        each_axis<RANK>([&](int a) { at[a] -= g.begin[a]; });
        pixels.set(i, o, m < M, n, at);
    }

    // combine
    const Corner at;
    ACC sums[TM][TN] = {};
    const Split whole = {parts, tickets, J, fan, (int)(down * gridDim.y * gridDim.z), tile, (int)(blockIdx.x % J)};
    if (!product<false>(o, pixels, whole, first_row, M, first_column, shared, at, sums)) return;

    // write
    T* out = gx + group * Cg;
    store_tile(sums, at, first_row, M, first_column, Cg, Cg % 4 == 0, [&](int row) { return out + (i64)row * g.C; });
}
