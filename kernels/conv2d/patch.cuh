// Layers of few or odd channels on tensor cores: a block owns a rectangle of pixels, and the patch of the source that their
// windows meet lies in shared memory once, so that no element of a window is fetched twice. Outside the source it is zero.
//
// A tap row's S*C values lie side by side there (without dilation), a run; pairs of them are what a lane reads for an mma.
// Runs are filled up to pairs, the whole depth to the mma's, by zeros among the weights alone: what the patch has there meets
// a zero, and where that is no number the sum is added up anew (ANEW). Where pixels are an odd number of elements apart, the
// patch lies there twice, a second time one element further on, so that pairs are aligned for all of them.
#pragma once
#define ANEW 1
#define STAGES 2  // of a loop in tile.cuh that is not ours
#include "../tensor/epilogue.cuh"
#include "geometry.cuh"

static const int WARPS = THREADS / 32, AT_ONCE = 4;  // loads of a thread on their way
static const int BANKS = 128 / E;                    // elements in all banks
static_assert(WM == 32, "rectangles of up to 32 pixels of a row: a warp's pixels are whole rows of them, or one");

struct Patch {
    int wide, high;         // pixels of the rectangle
    int run, filled, runs;  // elements side by side, rounded up to pairs; how many of them a window has
    int depth;              // of all, filled up
    int rows, width, pitch; // of the patch, in elements; from a row to the next
    int bytes;              // of it once
    int across, down;       // elements from a pixel to its neighbour, to that below

    __device__ __forceinline__ Patch(const Conv2d& g, int log_wide) : wide(1 << log_wide), high(BM >> log_wide) {
        const bool whole = g.dil_w == 1 || g.S == 1;
        run = whole ? g.S * g.Cg() : g.Cg(), filled = (run + 1) / 2 * 2, runs = whole ? g.R : g.R * g.S;
        depth = ceil_div(runs * filled, DEPTH) * DEPTH;
        rows = (high - 1) * g.stride_h + (g.R - 1) * g.dil_h + 1;
        width = ((wide - 1) * g.stride_w + (g.S - 1) * g.dil_w + 1) * g.Cg(), pitch = width / 2 * 2 + 2;
        bytes = (ceil_div(rows * pitch, BANKS) * BANKS + BANKS / 2) * E;  // the copies' pixels meet different banks
        across = g.stride_w * g.Cg(), down = g.stride_h * pitch;
    }
    // Bytes from the patch to a pixel's first tap.
    __device__ __forceinline__ int place(int pixel) const {
        const int beside = pixel % wide * across, at = pixel / wide * down + beside;
        return beside & 1 ? bytes + (at - 1) * E : at * E;
    }
    // Bytes from a pixel's first tap to `i` pairs further on in the depth.
    __device__ __forceinline__ int further(const Conv2d& g, int i) const {
        const int which = 2 * i / filled, at = 2 * i % filled;
        if (which >= runs) return 0;
        const int r = runs == g.R ? which : which / g.S, s = runs == g.R ? 0 : which % g.S;
        return (r * g.dil_h * pitch + s * g.dil_w * g.Cg() + at) * E;
    }
    __device__ __forceinline__ int weights_pitch() const { return depth * E + 16; }  // odd in 16 bytes: 8 rows meet all banks
};

// Where an element of the depth lies in a row of weights. In 32 bits an mma takes places t and t + 4 of eight from a lane,
// which has read neighbours of the patch.
__device__ __forceinline__ int slot(int d) { return E == 2 ? d : d / 8 * 8 + d % 2 * 4 + d % 8 / 2; }

// The filters' rows; filter(run, at) is where that element of the first one lies, `apart` elements before the next one's.
template <typename Filter>
__device__ __forceinline__ void keep_weights(const Patch& p, char* to, int columns, i64 apart, const Filter& filter) {
#pragma unroll 1
    for (int d = threadIdx.x % 32; d < p.depth; d += 32) {
        const int which = d / p.filled, at = d % p.filled;
        const bool real = which < p.runs && at < p.run;
        const T* from = real ? filter(which, at) : nullptr;
#pragma unroll 4
        for (int column = threadIdx.x / 32; column < BN; column += WARPS) {
            T v = T{};
            if (real && column < columns) v = from[column * apart];
            *reinterpret_cast<T*>(to + column * p.weights_pitch() + slot(d) * E) = v;
        }
    }
}

// The patch whose first element is that of row h, column w of image n. A warp takes a row, from a multiple of 32 elements
// on, so that its accesses are of whole sectors.
__device__ __forceinline__ void keep_patch(const Patch& p, const Conv2d& g, const T* source, int n, int h, int w, char* to) {
    T* first = reinterpret_cast<T*>(to);
    T* second = reinterpret_cast<T*>(to + p.bytes);
    const bool twice = p.across & 1;
#pragma unroll 1
    for (int row = threadIdx.x / 32; row < p.rows; row += WARPS) {
        const i64 line = ((i64)n * g.H + h + row) * g.W * g.C, begin = (i64)w * g.C;
        const bool real = within(h + row, g.H);
        const T* from = source + line;
#pragma unroll 1
        for (int at = (int)(threadIdx.x % 32) - (int)((line + begin) & 31); at <= p.width; at += 32 * AT_ONCE) {
            T v[AT_ONCE];
#pragma unroll
            for (int l = 0; l < AT_ONCE; ++l) {
                const int i = at + 32 * l;
                const i64 x = begin + (g.groups == 1 ? i : i / g.Cg() * g.C + i % g.Cg());
                v[l] = T{};
                if (real && i >= 0 && i < p.width && x >= 0 && x < (i64)g.W * g.C) v[l] = from[x];
            }
#pragma unroll
            for (int l = 0; l < AT_ONCE; ++l) {
                const int i = at + 32 * l;
                if (i < 0 || i > p.width) continue;
                first[row * p.pitch + i] = v[l];
                if (twice && i > 0) second[row * p.pitch + i - 1] = v[l];
            }
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
    const int column = warp % (BN / WN) * WN + lane / 16 * 8 + lane % 8, pitch = p.weights_pitch();
    Shared from = weights + column * pitch + lane / 8 % 2 * 16;
    const int* pairs = further + t;
    const int* end = further + p.depth / 2;
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
    const Patch p(g, log_wide);
    int* further = reinterpret_cast<int*>(area + BN * p.weights_pitch());
    char* patch = reinterpret_cast<char*>(further + p.depth / 2);  // and later the sums
    for (int i = threadIdx.x; i < p.depth / 2; i += THREADS) further[i] = p.further(g, i);
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
            const int y = first_p + (row >> log_wide), x = first_q + row % p.wide;
            return y < g.P && x < g.Q ? o.out + (((i64)n * g.P + y) * g.Q + x) * g.K : nullptr;
        };
        auto again = [&](int row, int column) {
            return plain_sum(p, g, o.source, {n, first_p + (row >> log_wide), first_q + row % p.wide},
                             [&](int which, int at) { return filter(which, at) + column * apart; });
        };
#if VEC > 1
        store_tile(sums, patch, first_column, g.Kg(), o.bias, g.activation, start, again, o.residual, o.out);
#else
        store_singly(sums, patch, first_column, g.Kg(), o.bias, g.activation, start, again, o.residual, o.out);
#endif
    }
}
