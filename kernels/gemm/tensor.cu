/*
Matrix product on tensor cores: copies past the registers, several steps ahead, and mma.sync. One launch takes one product,
or two of the same a, as a linear layer's gradients are: gx = gy weight, and gw = gy^T x with gb = gy^T 1.

math:     c[m,n] = f(sum over k of a[m,k] * b[k,n] + bias[n]), of each batch; a[m,k] is times f' (y[m,k]) where y is given
layout:   a and b with stride 1 along the axis that LAYOUT says, of a second product SECOND, and any other strides; y as a;
          c (G,M,N) row-major; bias (N); gb (M) takes the sums of a second product's column of ones; parts
          (J*tiles,BM*BN) in a block's own order
threads:  a block owns BM rows x BN columns of one product, batch and part of the depth, a warp WM x WN of them; the block
          that draws a tile's last ticket adds its parts, part 0 first
shared:   128
flops:    2*M*N*K*G
bytes:    e*(M*K + K*N + M*N)*G
requires: aligned arrays, strides and sizes of memory's rows multiples of 16 bytes; a column of ones beside a wide b;
          strides below 2^24 inside a tile, 2^31 from batch to batch; tickets 0, one a tile; STAGES*(BM + BN)*128 bytes of
          dynamic shared memory, with SLOPE STAGES*BM*128 more
numerics: float sums of products of PRECISION, in the order of the unit inside a mma's depth, then of the depth; parts added
          in order: the same bits at every run. Three TF32: a sum that is no finite number is added up anew in float
optional: bias y c b2 c2 gb parts tickets
arch:     80
*/
#include "tensor.cuh"

extern "C" __global__ void __launch_bounds__(THREADS, 1) gemm_tensor(
    const T* __restrict__ a, const T* __restrict__ b, const T* __restrict__ bias, const T* __restrict__ y,
    T* __restrict__ c, const T* __restrict__ b2, T* __restrict__ c2, T* __restrict__ gb, ACC* parts, int* tickets,
    Product first, Product second, int activation)
{
    const int before = first.tiles(BM, BN), block = blockIdx.x, others = before * first.parts;
    if (SECOND < 0 || block < others) {
        const Arrays of = {a, b, bias, y, c, gb, parts, tickets};
        run<LAYOUT & 1, (LAYOUT >> 1) != 0>(of, first, block, SLOPE ? NOTHING : activation);
    } else if constexpr (SECOND >= 0) {
        const Arrays of = {a, b2, bias, y, c2, gb, parts + (i64)others * (BM * BN), tickets + before};
        run<SECOND & 1, (SECOND >> 1) != 0>(of, second, block - others, NOTHING);
    }
}
