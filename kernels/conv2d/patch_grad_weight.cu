/*
conv2d gradient of the weight of few or odd channels on tensor cores: rows are (r,s,c), columns filters, depth the pixels, in
rectangles, whose patch of x lies in shared memory; they are split into J parts.

math:     gw[k,c,r,s] = sum over n,p,q of gy[n,k,p,q] * x[n,c,h,w], h = p*stride_h - pad_h + r*dil_h,
          w = q*stride_w - pad_w + s*dil_w, inside x
layout:   gy (N,P,Q,K), x (N,H,W,C), gw (K,R,S,C/groups), row-major; parts and tickets: see tensor/join.cuh
threads:  a block owns BM of (r,s,c) x BN filters (blockIdx.y) of one group (blockIdx.z) and one part (blockIdx.x = tile of
          (r,s,c), part) of the rectangles of BK pixels, 2^log_wide of a row; a warp WM x WN
shared:   0
flops:    2*N*P*Q*K*(C//G)*R*S
bytes:    e*(N*H*W*C + N*P*Q*K + K*(C//G)*R*S)
requires: PRECISION fits T; 3 <= log_wide <= 5; without dilation of w, or with an even C/groups * dil_w; VEC > 1: K/groups a
          multiple of it, aligned arrays; dynamic shared memory for gy, places, the patch and as much of zeros, or the sums
numerics: products in PRECISION, running sums in float over each part, parts added in a fixed order: the same bits at every run
optional: parts tickets
arch:     80
*/
#include "patch_weight.cuh"

extern "C" __global__ void __launch_bounds__(THREADS, 1) conv2d_patch_grad_weight(
    const T* __restrict__ gy, const T* __restrict__ x, T* __restrict__ gw, ACC* parts, int* tickets, int J, int fan, Conv2d g,
    int log_wide)
{
    // seek to the block's tile and part
    extern __shared__ __align__(128) char memory[];
    const int across = gridDim.x / J, first_row = blockIdx.x / J * BM, first_column = blockIdx.y * BN;
    const int filter = blockIdx.z * g.Kg() + first_column;
    const Patch p(g, log_wide, BK);
    const Part part(p, g, blockIdx.x % J, J);
    const Area area(memory, p);
    const Extent extent = {p.runs * p.filled - first_row, g.Kg() - first_column};
    const T* above = gy + filter;
    const T* below = x + blockIdx.z * g.Cg();
    const int warp = threadIdx.x / 32, row = warp / (BN / WN) * WM, column = warp % (BN / WN) * WN;
    int further[MI];
#pragma unroll
    for (int i = 0; i < MI; ++i) further[i] = p.further(g, (first_row + row + i * 16) / 2 + threadIdx.x % 32 / 4);
    T* zeros = reinterpret_cast<T*>(area.patch + area.blank);
    for (int i = threadIdx.x; i < p.reach(g); i += THREADS) zeros[i] = T{};

    // combine
    float sums[MI][NI][4] = {};
#pragma unroll 1
    for (int tile = part.begin; tile < part.end; ++tile) {
        const Rectangle at = part.at(tile, p);
        keep_gradients(p, g, above, at, extent.columns, area.gy);
        copy_commit();
        for (int i = threadIdx.x; i < BK; i += THREADS) {
            area.places[i] = at.p + p.line(i) < g.P && at.q + p.column(i) < g.Q ? p.place(i) : area.blank;
        }
        keep_patch(p, g, below, at.n, g.row(at.p, 0), g.col(at.q, 0), area.patch);
        copy_wait<0>();
        __syncthreads();
#if PRECISION == TF32X3  // unrolled, the compiler splits for several limbs at once, and spills
#pragma unroll 1
#else
#pragma unroll 2
#endif
        for (int limb = 0; limb < BK / DEPTH; ++limb) {
            unsigned a[MI][4], b[NI / 2][4];
            fetch_rows(a, area, further, limb);
            fetch_columns(b, area, column, limb);
            multiply(sums, a, b);
        }
        __syncthreads();  // gy and the patch have been read
    }
    const Sums tile = {reinterpret_cast<ACC*>(memory)};
    keep(tile, row, column, sums);
    for (int i = threadIdx.x; i < BM; i += THREADS) tile.beside()[i] = 0;  // joined, though nothing is asked of it
    __syncthreads();
#if PRECISION == TF32X3
    mend(p, g, part, above, below, first_row, tile, extent);
#endif

    // join the parts, and write
    const int index = (blockIdx.z * gridDim.y + blockIdx.y) * across + blockIdx.x / J;
    const Split split = {parts, tickets, J, fan, (int)(across * gridDim.y * gridDim.z), index, (int)(blockIdx.x % J)};
    if (!join(split, tile, extent)) return;
    __syncthreads();
    const i64 each = (i64)g.R * g.S * g.Cg();
    store_rows(p, tile, extent, first_row, each, gw + filter * each);
}
