// A convolution from the patch: pixels times filters, whose rows a block keeps in shared memory from tile to tile.
//
// Runs and the depth are filled up by zeros among the weights alone: what the patch has there meets a zero, and where that is
// no number the sum is added up anew (ANEW).
#pragma once
#define ANEW 1
#define STAGES 2  // of a loop in tile.cuh that is not ours
#include "../tensor/epilogue.cuh"
#include "patch.cuh"

static_assert(WM == 32, "rectangles of up to 32 pixels of a row: a warp's pixels are whole rows of them, or one");

// Of all runs, filled up to whole mma's; bytes of a filter's row, odd in 16 bytes: eight rows meet all banks.
__device__ __forceinline__ int depth_of(const Patch& p) { return ceil_div(p.runs * p.filled, DEPTH) * DEPTH; }
__device__ __forceinline__ int pitch_of(const Patch& p) { return depth_of(p) * E + 16; }

// Where an element of the depth lies in a row of weights. In 32 bits an mma takes places t and t + 4 of eight from a lane,
// which has read neighbours of the patch.
__device__ __forceinline__ int slot(int d) { return E == 2 ? d : d / 8 * 8 + d % 2 * 4 + d % 8 / 2; }

// The filters' rows; filter(run, at) is where that element of the first one lies, `apart` elements before the next one's.
template <typename Filter>
__device__ __forceinline__ void keep_weights(const Patch& p, char* to, int columns, i64 apart, const Filter& filter) {
#pragma unroll 1
    for (int d = threadIdx.x % 32; d < depth_of(p); d += 32) {
        const int which = d / p.filled, at = d % p.filled;
        const bool real = which < p.runs && at < p.run;
        const T* from = real ? filter(which, at) : nullptr;
#pragma unroll 4
        for (int column = threadIdx.x / 32; column < BN; column += THREADS / 32) {
            T v = T{};
            if (real && column < columns) v = from[column * apart];
            *reinterpret_cast<T*>(to + column * pitch_of(p) + slot(d) * E) = v;
        }
    }
}

__device__ __forceinline__ void multiply_patch(
    const Patch& p, const char* patch, const int* further, const Shared weights, float (&sums)[MI][NI][4])
{
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, t = lane % 4;
    const char* mine = patch + p.place(warp / (BN / WN) * WM + lane / 4);
    int beside[MI][2];
#pragma unroll
    for (int i = 0; i < MI; ++i) beside[i][0] = p.place(i * 16), beside[i][1] = p.place(i * 16 + 8);
    const int column = warp % (BN / WN) * WN + lane / 16 * 8 + lane % 8, pitch = pitch_of(p);
    Shared from = weights + column * pitch + lane / 8 % 2 * 16;
    const int* pairs = further + t;
    const int* end = further + depth_of(p) / 2;
#pragma unroll 2
    for (; pairs < end; pairs += DEPTH / 2, from += DEPTH * E) {
        unsigned a[MI][4], b[NI / 2][4];
#pragma unroll
        for (int j = 0; j < NI / 2; ++j) load_matrices(b[j], from + j * 16 * pitch);
        const char* at = mine + pairs[0];
#if PRECISION == BF16 || PRECISION == FP16
        const char* behind = mine + pairs[4];
#endif
#pragma unroll
        for (int i = 0; i < MI; ++i) {
#pragma unroll
            for (int half = 0; half < 2; ++half) {
#if PRECISION == BF16 || PRECISION == FP16
                a[i][half] = *reinterpret_cast<const unsigned*>(at + beside[i][half]);
                a[i][half + 2] = *reinterpret_cast<const unsigned*>(behind + beside[i][half]);
#else
                const uint2 pair = *reinterpret_cast<const uint2*>(at + beside[i][half]);
                a[i][half] = pair.x, a[i][half + 2] = pair.y;
#endif
            }
        }
        multiply(sums, a, b);
    }
}

struct Pixel { int n, p, q; };

// One sum as plain loops have it. filter(run, at): as above, of the sum's own filter.
template <typename Filter>
__device__ __forceinline__ float plain_sum(
    const Patch& p, const Conv2d& g, const T* source, const Pixel& m, const Filter& filter)
{
    float sum = 0;
    for (int r = 0; r < g.R; ++r) {
        for (int s = 0; s < g.S; ++s) {
            const int h = g.row(m.p, r), w = g.col(m.q, s);
            if (!g.inside(h, w)) continue;
            const T* from = source + (((i64)m.n * g.H + h) * g.W + w) * g.C;
            const int which = p.runs == g.R ? r : r * g.S + s, first = p.runs == g.R ? s * g.Cg() : 0;
            for (int c = 0; c < g.Cg(); ++c) sum += load(from + c) * load(filter(which, first + c));
        }
    }
    return sum;
}

// Writes the tile where rows begin on no multiple of 16 bytes, or end on none: as store_tile, one element after the other.
template <typename Start, typename Again>
__device__ __forceinline__ void store_singly(
    const float (&sums)[MI][NI][4], char* area, int first_column, int columns, const T* bias, int activation,
    const Start& start, const Again& again, const T* residual, const T* out)
{
    float* kept = reinterpret_cast<float*>(area);
    keep_sums(sums, kept);
#pragma unroll 1
    for (int i = threadIdx.x; i < BM * BN; i += THREADS) {
        const int row = i / BN, column = first_column + i % BN;
        T* to = start(row);
        if (!to || column >= columns) continue;
        float v = kept[row * SUMS + i % BN];
        if (!(v - v == 0)) v = again(row, column);
        if (bias) v += load(bias + column);
        if (residual) v += load(residual + (to - out) + column);
        store(to + column, activated(v, activation));
    }
}

struct Arrays { const T *source, *bias, *residual; T* out; };  // of the group

// All rectangles of this block, gridDim.x apart, of filters from `first_column` on: weights are kept from one to the next.
template <typename Filter>
__device__ __forceinline__ void convolve(
    const Conv2d& g, int log_wide, int first_column, const Arrays& o, i64 apart, const Filter& filter)
{
    extern __shared__ __align__(128) char area[];
    const Patch p(g, log_wide, BM);
    int* further = reinterpret_cast<int*>(area + BN * pitch_of(p));
    char* patch = reinterpret_cast<char*>(further + depth_of(p) / 2);  // and later the sums
    for (int i = threadIdx.x; i < depth_of(p) / 2; i += THREADS) further[i] = p.further(g, i);
    keep_weights(p, area, g.Kg() - first_column, apart,
                 [&](int which, int at) { return filter(which, at) + first_column * apart; });

    const int across = ceil_div(g.Q, p.wide), down = ceil_div(g.P, p.high), tiles = g.N * down * across;
#pragma unroll 1
    for (int tile = blockIdx.x; tile < tiles; tile += gridDim.x) {
        const int n = tile / across / down, first_p = tile / across % down * p.high, first_q = tile % across * p.wide;
        __syncthreads();  // the sums that lay there have been stored
        keep_patch(p, g, o.source, n, g.row(first_p, 0), g.col(first_q, 0), patch);
        __syncthreads();
        float sums[MI][NI][4] = {};
        multiply_patch(p, patch, further, shared_address(area), sums);
        __syncthreads();  // the patch has been read: sums come in its place
        auto start = [&](int row) -> T* {
            const int y = first_p + p.line(row), x = first_q + p.column(row);
            return y < g.P && x < g.Q ? o.out + (((i64)n * g.P + y) * g.Q + x) * g.K : nullptr;
        };
        auto again = [&](int row, int column) {
            return plain_sum(p, g, o.source, {n, first_p + p.line(row), first_q + p.column(row)},
                             [&](int which, int at) { return filter(which, at) + column * apart; });
        };
#if VEC > 1
        store_tile(sums, patch, first_column, g.Kg(), o.bias, g.activation, start, again, o.residual, o.out);
#else
        store_singly(sums, patch, first_column, g.Kg(), o.bias, g.activation, start, again, o.residual, o.out);
#endif
    }
}
