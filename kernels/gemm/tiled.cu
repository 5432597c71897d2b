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
#include "tail.cuh"

extern "C" __global__ void __launch_bounds__(THREADS, 1) gemm_tiled(
    const T* __restrict__ a, const T* __restrict__ b, const T* __restrict__ bias, const T* __restrict__ y,
    T* __restrict__ c, const T* __restrict__ b2, T* __restrict__ c2, T* __restrict__ gb, ACC* parts, int* tickets,
    Product first, Product second, int activation)
{
    // seek to the block's product, part, batch and tile
    __shared__ Buffers shared;
    const int before = first.tiles(BM, BN);
    const bool is_second = LAYOUT < 0 && blockIdx.x >= before * first.parts;
    const Product g = is_second ? second : first;
    const int block = blockIdx.x - (is_second ? before * first.parts : 0);
    const Place at_tile(g, block, BM, BN);

    // combine
    Source from = {
        Loader<BM, LAYOUT_A>(a + at_tile.before_a(g), g.pitch_a, g.deep_a, at_tile.row, g.M, at_tile.depth),
        Loader<BN, LAYOUT_B>(
            (is_second ? b2 : b) + at_tile.before_b(g), g.pitch_b, g.deep_b, at_tile.column, g.N, at_tile.depth),
        y, y ? activation : NOTHING, false};
    from.is_edge = g.ones && from.right.line == from.right.lines;
    from.kept = y + (from.left.from - a);
    const Corner at;
    ACC sums[TM][TN] = {};
    gemm(from, smaller(g.each, g.K - at_tile.depth), shared, at, sums);
    if (g.parts > 1) {
        const i64 slot = is_second ? (i64)before * first.parts : 0;
        const int number = at_tile.tile + (is_second ? before : 0);
        ACC* mine = parts + (slot + (i64)at_tile.tile * g.parts) * (BM * BN);
        if (!joined(sums, mine, tickets + number, at_tile.part, g.parts)) return;
    }

    // write
    T* out = (is_second ? c2 : c) + (i64)at_tile.batch * g.M * g.N;
    write(sums, at, at_tile.row, at_tile.column, g, bias, y ? NOTHING : activation, out, gb);
}
