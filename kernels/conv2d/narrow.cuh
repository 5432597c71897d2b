// Implicit GEMM for layers of few filters (or channels, backwards): rows are pixels, depth is (tap, channel) as one axis, in
// J parts where there are few tiles. What fetching costs is next to no arithmetic: a step's places of the depth are a table
// that a few threads fill for all pixels, and of each pixel a bit a tap says whether the tap meets the source.
#pragma once
#include "piece.cuh"

static const int PLACES = BK / VEC, PIXELS = BM / THREADS, WEIGHTS = BK * BN / THREADS;

struct Operands {
    const T* source;  // (N, SH, SW, SC), the group's first channel
    const T* weight;  // (filters, taps, channels) of the group
    int SH, SW, SC, depth, columns, R, S, channels;
    int step_h, step_w;  // from one tap to the next, in rows and columns of the source
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
    __device__ __forceinline__ void set(int i, const Operands& o, bool real, int n, int h, int w) {
        unsigned row = 0, all = 0;
        for (int s = 0; s < o.S; ++s) row |= within(w + s * o.step_w, o.SW) ? 1u << s : 0u;
        for (int r = 0; r < o.R; ++r) all |= within(h + r * o.step_h, o.SH) ? row << r * o.S : 0u;
        start[i] = (((i64)n * o.SH + h) * o.SW + w) * o.SC;
        taps[i] = real ? all : 0u;
    }
};

struct __align__(16) Shared {
    ACC a[2][BK][BM], b[2][BK][BN + 4];  // +4: the eight depths that a warp stores of a filter lie on different banks
    Place places[2][PLACES];
};

// Adds depth `from` up to `end` (a multiple of BK, or all). DEEP: the depth is a filter's own run of memory (forward), else
// the filters themselves (grad_input).
template <bool DEEP>
__device__ __forceinline__ void gemm(
    const Operands& o, const Pixels& pixels, int from, int end, int first_column, Shared& shared, const Corner& at,
    ACC (&sums)[TM][TN])
{
    const int taps = o.R * o.S, D = taps * o.depth;
    const Divider by_depth(o.depth), by_S(o.S);
    Piece a[PIXELS][PLACES];
    T b[WEIGHTS];

    auto look_up = [&](int buffer, int d0) {
        if (threadIdx.x >= PLACES) return;
        const int d = d0 + threadIdx.x * VEC;
        unsigned c = d, tap = by_depth.split(c), s = tap, r = by_S.split(s);
        Place& place = shared.places[buffer][threadIdx.x];
        place.source = ((int)r * o.step_h * o.SW + (int)s * o.step_w) * o.SC + (int)c;
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
template <bool DEEP>
__device__ __forceinline__ bool product(
    const Operands& o, const Pixels& pixels, Split split, int first_row, int rows, int first_column, Shared& shared,
    const Corner& at, ACC (&sums)[TM][TN])
{
    const int D = o.R * o.S * o.depth, each = ceil_div(ceil_div(D, split.J), BK) * BK, from = split.part * each;
    gemm<DEEP>(o, pixels, from, smaller((i64)from + each, (i64)D), first_column, shared, at, sums);
    ACC none = 0;
    return join(split, sums, none, [&](int i, int half) {
        return first_row + at.row_of(i) < rows && first_column + at.col_of(half) < o.columns;
    });
}
