// The narrow gradient of weight and bias of any rank: pixels' places are looked up by few threads, 32 of them at a time.
#pragma once
#include "piece.cuh"

static const int CHUNK = 32, STEPS = CHUNK / BK;  // pixels that are looked up at once, and their steps

struct __align__(16) PixelPlace {
    i64 start;  // of its first tap in x
    unsigned taps;
};

// One side of the tile: which of its items (VEC of them) a thread fetches, of pixels STEP apart. A wide fetch may leave
// threads without a pixel.
template <int SIDE> struct Share {
    static const int EACH = SIDE / VEC, STEP = THREADS / EACH, LOADS = STEP < BK ? BK / STEP : 1;
    static_assert(EACH <= THREADS && (LOADS == 1 || BK % STEP == 0), "threads share the side evenly");
    int item, pixel;
    __device__ __forceinline__ Share() : item(threadIdx.x % EACH * VEC), pixel(threadIdx.x / EACH) {}
    __device__ __forceinline__ bool has(int) const { return STEP <= BK || pixel < BK; }
    __device__ __forceinline__ void keep(ACC (&to)[BK][SIDE], const Piece (&pieces)[LOADS]) const {
#pragma unroll
        for (int l = 0; l < LOADS; ++l) {
#pragma unroll
            for (int v = 0; v < VEC; ++v) {
                if (has(l)) to[pixel + l * STEP][item + v] = load(&pieces[l].item[v]);
            }
        }
    }
};

template <int RANK>
__device__ __forceinline__ void narrow_grad_weight(
    const T* gy, const T* x, T* gw, T* gb, ACC* parts, int* tickets, int J, int fan, const Axes<RANK>& g)
{
    // seek to the block's tile and part, and to this thread's filters and columns
    __shared__ __align__(16) ACC a[2][BK][BM], b[2][BK][BN];
    __shared__ PixelPlace places[2][CHUNK];
    const int Cg = g.Cg(), Kg = g.Kg(), group = blockIdx.z, part = blockIdx.x % J, across = gridDim.x / J;
    const int columns = volume(g.window) * Cg, first_row = blockIdx.y * BM, first_column = blockIdx.x / J * BN;
    const int M = g.N * volume(g.out), each = ceil_div(ceil_div(M, J), BK) * BK;
    const int begin = smaller((i64)part * each, (i64)M), end = smaller((part + 1) * (i64)each, (i64)M);
    const Share<BM> filters;
    const Share<BN> taps;
    const int column = first_column + taps.item, tap = column / Cg;
    int off[RANK];  // of the column's tap from a pixel's first
    split(tap, g.window, off);
    each_axis<RANK>([&](int i) { off[i] *= g.dil[i]; });
    const bool real_filter = first_row + filters.item < Kg;
    const unsigned bit = column < columns ? 1u << tap : 0u;
    const T* above = gy + group * Kg + first_row + filters.item;
    const T* below = x + group * Cg + number(0, g.in, off) * g.C + column % Cg;
    const Dividers<RANK> by(g.out);

    auto look_up = [&](int chunk) {
        if (threadIdx.x >= CHUNK) return;
        const int m = begin + chunk * CHUNK + threadIdx.x;
        int at[RANK];
        const unsigned n = by.split(m, at);
        each_axis<RANK>([&](int i) { at[i] = at[i] * g.stride[i] + g.begin[i]; });
        const unsigned all = taps_inside(g.in, at, g.window, g.dil);
        places[chunk % 2][threadIdx.x] = {number((i64)n, g.in, at) * g.C, m < end ? all : 0u};
    };

    // combine
    Piece mine[Share<BM>::LOADS], met[Share<BN>::LOADS];
    auto fetch = [&](int step) {
        const int m = begin + step * BK + filters.pixel;
        const T* from = above + (i64)m * g.K;
#pragma unroll
        for (int l = 0; l < Share<BM>::LOADS; ++l, from += Share<BM>::STEP * g.K) {
            mine[l] = Piece{};
            if (real_filter && filters.has(l) && l * Share<BM>::STEP < end - m) mine[l] = load_piece(from);
        }
#pragma unroll
        for (int l = 0; l < Share<BN>::LOADS; ++l) {
            met[l] = Piece{};
            if (!taps.has(l)) continue;
            const PixelPlace place = places[step / STEPS % 2][step % STEPS * BK + taps.pixel + l * Share<BN>::STEP];
            if (place.taps & bit) met[l] = load_piece(below + place.start);
        }
    };

    const Corner at;
    const bool biased = gb && first_column == 0 && threadIdx.x < BM;
    ACC sums[TM][TN] = {}, bias = 0;
    const int steps = ceil_div(end - begin, BK);
    look_up(0), look_up(1);
    __syncthreads();
    if (steps > 0) fetch(0), filters.keep(a[0], mine), taps.keep(b[0], met);
    __syncthreads();
    for (int step = 0, buffer = 0; step < steps; ++step, buffer ^= 1) {
        const bool more = step + 1 < steps;
        if (more) fetch(step + 1);
        if ((step + 1) % STEPS == 0) look_up((step + 1) / STEPS + 1);  // where the chunk before this one has been read
        multiply<Straight, Straight>(a[buffer], b[buffer], at, sums);
#pragma unroll
        for (int k = 0; biased && k < BK; ++k) bias += a[buffer][k][threadIdx.x];
        if (more) filters.keep(a[buffer ^ 1], mine), taps.keep(b[buffer ^ 1], met);
        __syncthreads();
    }

    // join the parts, and write
    const auto real = [&](int i, int half) {
        return first_row + at.row_of(i) < Kg && first_column + at.col_of(half) < columns;
    };
    const int tile = (blockIdx.z * gridDim.y + blockIdx.y) * across + blockIdx.x / J;
    if (!join({parts, tickets, J, fan, (int)(across * gridDim.y * gridDim.z), tile, part}, sums, bias, real)) return;
    T* out = gw + (i64)group * Kg * columns;
    const auto start = [&](int filter) { return out + (i64)filter * columns; };
    store_tile(sums, at, first_row, Kg, first_column, columns, columns % 4 == 0, start);
    if (biased && first_row + threadIdx.x < Kg) store(gb + group * Kg + first_row + threadIdx.x, bias);
}
