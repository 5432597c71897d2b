/*
conv2d gradient of weight and bias for layers of few filters, narrow: the tiled one's product in tiles of 16x64, 32x32 and
32x64, the pixels' places looked up by few threads: 32 of them at a time, with the taps that meet x as bits.

math:     gw[k,c,r,s] = sum over n,p,q of gy[n,k,p,q] * x[n,c,h,w], h = p*stride_h - pad_h + r*dil_h,
          w = q*stride_w - pad_w + s*dil_w, inside x; gb[k] = sum over n,p,q of gy[n,k,p,q]
layout:   gy (N,P,Q,K), x (N,H,W,C), gw (K,R,S,C/groups), row-major; gb (K); parts and tickets: see split.cuh
threads:  a block owns BM filters x BN columns (r,s,c) of one group (blockIdx.z) and one part of the pixels (blockIdx.x = tile
          of columns, part), a thread TM x TN; the blocks of the first columns also add up the filters' rows of gy
shared:   4*2*8*(BM + BN) + 16*2*32
flops:    2*N*P*Q*K*(C//G)*R*S
bytes:    e*(N*H*W*C + N*P*Q*K + K*(C//G)*R*S)
requires: VEC = 16/e with C/groups and K/groups multiples of it and aligned arrays, or VEC = 1; R*S up to 32; N*P*Q below 2^31
numerics: running sums in float over each part, parts added in a fixed order: the same bits at every run
optional: gb parts tickets
*/
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

extern "C" __global__ void __launch_bounds__(THREADS, 512 / THREADS) conv2d_narrow_grad_weight(
    const T* __restrict__ gy, const T* __restrict__ x, T* __restrict__ gw, T* __restrict__ gb, ACC* parts, int* tickets,
    int J, int fan, Conv2d g)
{
    // seek to the block's tile and part, and to this thread's filters and columns
    __shared__ __align__(16) ACC a[2][BK][BM], b[2][BK][BN];
    __shared__ PixelPlace places[2][CHUNK];
    const int Cg = g.Cg(), Kg = g.Kg(), group = blockIdx.z, part = blockIdx.x % J, across = gridDim.x / J;
    const int columns = g.R * g.S * Cg, first_row = blockIdx.y * BM, first_column = blockIdx.x / J * BN;
    const int M = g.N * g.P * g.Q, each = ceil_div(ceil_div(M, J), BK) * BK;
    const int begin = smaller((i64)part * each, (i64)M), end = smaller((part + 1) * (i64)each, (i64)M);
    const Share<BM> filters;
    const Share<BN> taps;
    const int column = first_column + taps.item, tap = column / Cg, r = tap / g.S, s = tap % g.S;
    const bool real_filter = first_row + filters.item < Kg;
    const unsigned bit = column < columns ? 1u << tap : 0u;
    const T* above = gy + group * Kg + first_row + filters.item;
    const T* below = x + group * Cg + (r * g.dil_h * g.W + s * g.dil_w) * g.C + column % Cg;
    const Divider by_Q(g.Q), by_P(g.P);

    auto look_up = [&](int chunk) {
        if (threadIdx.x >= CHUNK) return;
        const int m = begin + chunk * CHUNK + threadIdx.x;
        unsigned q = m, p = by_Q.split(q), n = by_P.split(p), row = 0, all = 0;
        const int h = g.row(p, 0), w = g.col(q, 0);
        for (int j = 0; j < g.S; ++j) row |= within(w + j * g.dil_w, g.W) ? 1u << j : 0u;
        for (int i = 0; i < g.R; ++i) all |= within(h + i * g.dil_h, g.H) ? row << i * g.S : 0u;
        places[chunk % 2][threadIdx.x] = {(((i64)n * g.H + h) * g.W + w) * g.C, m < end ? all : 0u};
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
