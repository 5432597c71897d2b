/*
Global pooling backward: each gradient written to all pixels as their part of a mean, or to the one that won a maximum.

math:     gx[n,c,l] = gy[n,c] / L; with an index gy[n,c] where index[n,c] = l, else 0
layout:   gy and index (N,C); gx (N,L,C) (NHWC=1) or (N,C,L) (NHWC=0)
threads:  256 a block. NHWC: as global_avg_forward.cu; a thread reads VEC gradients once and writes them to its pixels.
          Row-major: four times VEC neighbours of gx a thread, of whatever images they are
shared:   0
flops:    N*C
bytes:    e*N*C*(L + 1) + I*N*C
requires: one sample below 2^31 elements; with NHWC VEC > 1 needs C % VEC = 0; gx starts on a multiple of 16 bytes
numerics: a division in ACC
optional: index
*/
#include "global.cuh"

extern "C" __global__ void global_pool_backward(const T* gy, const INDEX* index, T* gx, Global g)
{
#if NHWC
    const Walk at(g);
    if (!at.real || at.begin >= at.end) return;
    ACC share[VEC];
    load_channels<VEC>(gy + at.own, share);
    Indices<INDEX> winner = {};
    if (index) winner = load_indices(index + at.own);
#pragma unroll
    for (int j = 0; j < VEC; ++j) share[j] = index ? share[j] : share[j] / g.L;
    for (int pixel = at.begin; pixel < at.end; pixel += g.rows) {
        ACC value[VEC];
#pragma unroll
        for (int j = 0; j < VEC; ++j) value[j] = !index || winner.item[j] == pixel ? share[j] : (ACC)0;
        store_channels<VEC>(gx + at.image + (i64)pixel * at.step, value);
    }
#else
    const i64 first = (i64)blockIdx.x * (BLOCK * FLIGHT * VEC), all = (i64)g.N * g.C * g.L, image = first / g.L;
    const int past = first - image * g.L;  // the block's first element in its image
#pragma unroll
    for (int u = 0; u < FLIGHT; ++u) {
        const int mine = (u * BLOCK + threadIdx.x) * VEC;
        ACC value[VEC] = {};
#pragma unroll
        for (int j = 0; j < VEC; ++j) {
            if (first + mine + j >= all) continue;
            const int further = (past + mine + j) / g.L, pixel = past + mine + j - further * g.L;
            const ACC share = load(gy + image + further);
            value[j] = !index ? share / g.L : (int)index[image + further] == pixel ? share : (ACC)0;
        }
        if (first + mine + VEC <= all) {
            store_channels<VEC>(gx + first + mine, value);
        } else {
#pragma unroll
            for (int j = 0; j < VEC; ++j) {
                if (first + mine + j < all) store(gx + first + mine + j, value[j]);
            }
        }
    }
#endif
}
