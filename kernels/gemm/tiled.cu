/*
Matrix product, tiled: through shared memory, multiply-add in registers. One launch takes one product, or two of the same
a, as a linear layer's gradients are: gx = gy weight, and gw = gy^T x with gb = gy^T 1.

math:     c[m,n] = f(sum over k of a[m,k] * b[k,n] + bias[n]), of each batch; a[m,k] is times f' (y[m,k]) where y is given
layout:   a and b with stride 1 along either axis and any other strides; y as a; c (G,M,N) row-major; bias (N);
          gb (M) takes the sums of a second product's column of ones; parts (J*tiles,BM*BN) in a block's own order
threads:  a block owns BM rows x BN columns of one product, batch and part of the depth; a thread 8x8, 8x4 or 4x4 of them;
          the block that draws a tile's last ticket adds its parts, part 0 first
shared:   2*BK*(BM + BN)*(4 if e < 8 else 8) + 1
flops:    2*M*N*K*G
bytes:    e*(M*K + K*N + M*N)*G
requires: VEC = 16/e with aligned arrays, strides and sizes of memory's rows multiples of it, or VEC = 1; strides below
          2^24 inside a tile, 2^31 from batch to batch; tickets 0, one a tile
numerics: one running sum in ACC a part, parts added in order: the same bits at every run
optional: bias y c b2 c2 gb parts tickets
*/
#include "geometry.cuh"
#include "tile.cuh"

// a and b of a block's product, and how they are fetched and kept.
struct Source {
    Loader<BM> left;
    Loader<BN> right;
    const T* kept;  // y at the place of left.from, or null
    int activation, ones, left_over;
    Run a[Loader<BM>::LOADS], y[Loader<BM>::LOADS], b[Loader<BN>::LOADS];

    __device__ __forceinline__ void fetch() {
#pragma unroll
        for (int l = 0; l < Loader<BM>::LOADS; ++l) {
            const bool there = left.inside(l, left_over);
            a[l] = there ? fetch_run(left.from + l * left.next) : Run{};
            if (kept) y[l] = there ? fetch_run(kept + l * left.next) : Run{};
        }
#pragma unroll
        for (int l = 0; l < Loader<BN>::LOADS; ++l) {
            b[l] = right.inside(l, left_over) ? fetch_run(right.from + l * right.next) : Run{};
            if (ones >= 0 && right.starts_at(l, ones) && right.k + l * right.more_k < left_over) {
                store(&b[l].item[0], (ACC)1);
            }
        }
    }
    __device__ __forceinline__ void keep(ACC (&to_a)[BK][BM], ACC (&to_b)[BK][BN]) const {
        ACC v[VEC];
#pragma unroll
        for (int l = 0; l < Loader<BM>::LOADS; ++l) {
#pragma unroll
            for (int j = 0; j < VEC; ++j) v[j] = load(&a[l].item[j]);
            if (kept) {
#pragma unroll
                for (int j = 0; j < VEC; ++j) v[j] = derived(v[j], load(&y[l].item[j]), activation);
            }
            left.keep(to_a, l, v);
        }
#pragma unroll
        for (int l = 0; l < Loader<BN>::LOADS; ++l) {
#pragma unroll
            for (int j = 0; j < VEC; ++j) v[j] = load(&b[l].item[j]);
            right.keep(to_b, l, v);
        }
    }
    // On to the next step.
    __device__ __forceinline__ void advance() {
        left.from += left.forth, right.from += right.forth, left_over -= BK;
        if (kept) kept += left.forth;
    }
};

// Adds a tile's parts up in order; false in blocks that draw no last ticket.
__device__ __forceinline__ bool joined(ACC (&sums)[TM][TN], ACC* parts, int* ticket, int part, int count) {
    __shared__ bool last;
    ACC* place = parts + threadIdx.x * 4;  // of one part; a thread's fours are THREADS fours apart
    const int fours = TM * TN / 4;
#pragma unroll
    for (int i = 0; i < fours; ++i) {
        store_four(place + ((i64)part * fours + i) * THREADS * 4, &sums[i * 4 / TN][i * 4 % TN]);
    }
    __threadfence();
    __syncthreads();  // all have written
    if (threadIdx.x == 0) {
        last = atomicAdd(ticket, 1) == count - 1;
        if (last) *ticket = 0;  // for the next launch
        __threadfence();
    }
    __syncthreads();
    if (!last) return false;
#pragma unroll
    for (int i = 0; i < fours; ++i) load_four(place + (i64)i * THREADS * 4, &sums[i * 4 / TN][i * 4 % TN]);
    for (int other = 1; other < count; ++other) {
#pragma unroll
        for (int i = 0; i < fours; ++i) {
            ACC more[4];
            load_four(place + ((i64)other * fours + i) * THREADS * 4, more);
#pragma unroll
            for (int j = 0; j < 4; ++j) sums[i * 4 / TN][i * 4 % TN + j] += more[j];
        }
    }
    return true;
}

extern "C" __global__ void __launch_bounds__(THREADS) gemm_tiled(
    const T* __restrict__ a, const T* __restrict__ b, const T* __restrict__ bias, const T* __restrict__ y,
    T* __restrict__ c, const T* __restrict__ b2, T* __restrict__ c2, T* __restrict__ gb, ACC* parts, int* tickets,
    Product first, Product second, int activation)
{
    // seek to the block's product, part, batch and tile
    __shared__ Buffers shared;
    const int before = first.tiles(BM, BN);
    const bool is_second = blockIdx.x >= before * first.parts;
    const Product g = is_second ? second : first;
    const int block = blockIdx.x - (is_second ? before * first.parts : 0);
    const int tiles = g.tiles(BM, BN), part = block / tiles, tile = block % tiles;
    const int across = ceil_div(g.columns(), BN), down = ceil_div(g.M, BM);
    const int batch = tile / (across * down), outer = batch / g.inner, inner = batch % g.inner;
    const int first_row = tile / across % down * BM, first_column = tile % across * BN, depth = part * g.each;
    const i64 off_a = (i64)outer * g.outer_a + (i64)inner * g.inner_a;
    const i64 off_b = (i64)outer * g.outer_b + (i64)inner * g.inner_b;

    // combine
    Source from = {
        Loader<BM>(a + off_a, g.pitch_a, g.deep_a, first_row, g.M, depth),
        Loader<BN>((is_second ? b2 : b) + off_b, g.pitch_b, g.deep_b, first_column, g.N, depth),
        nullptr, activation, g.ones ? g.N - first_column : -1, smaller(g.each, g.K - depth)};
    if (y) from.kept = y + (from.left.from - a);
    const Corner at;
    ACC sums[TM][TN] = {};
    if (from.left_over > 0) {
        from.fetch();
        from.keep(shared.a[0], shared.b[0]);
        __syncthreads();
        for (int buffer = 0;; buffer ^= 1) {
            from.advance();
            const bool more = from.left_over > 0;
            if (more) from.fetch();
            multiply(shared.a[buffer], shared.b[buffer], at, sums);
            if (!more) break;
            from.keep(shared.a[buffer ^ 1], shared.b[buffer ^ 1]);
            __syncthreads();
        }
    }
    if (g.parts > 1) {
        const i64 slot = is_second ? (i64)before * first.parts : 0, number = tile + (is_second ? before : 0);
        ACC* mine = parts + (slot + (i64)tile * g.parts) * (BM * BN);
        if (!joined(sums, mine, tickets + number, part, g.parts)) return;
    }

    // write
    T* out = (is_second ? c2 : c) + (i64)batch * g.M * g.N;
#pragma unroll
    for (int i = 0; i < TM; ++i) {
        const int row = first_row + at.row_of(i);
        if (row >= g.M) continue;
#pragma unroll
        for (int j = 0; j < TN; ++j) {
            const int column = first_column + at.col_of(j);
            if (column < g.N) {
                const ACC v = bias ? sums[i][j] + load(bias + column) : sums[i][j];
                store(out + (i64)row * g.N + column, y ? v : activated(v, activation));
            } else if (g.ones && column == g.N) {
                store(gb + row, sums[i][j]);
            }
        }
    }
}
