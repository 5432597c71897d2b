/*
Filter of planes, forward, in tiles: a block brings its rows and their halo into shared memory once.

math:     y[n,h,w] = sum over r,s of x[n, h - top + r, w - left + s] * kernel[r,s]; a place outside x is a copy of the one
          that the border names, or 0; with FLIP=1 kernel[R-1-r, S-1-s], which over a border of zeros is the gradient of x
layout:   x, y (N,H,W), kernel (R,S), row-major
threads:  a block owns BM rows of BN columns of a plane; a thread 16 bytes' worth of columns, 4 rows at a time: 4 + R - 1
          rows of the tile, read once, feed 4 of outputs
shared:   e*(BM + TAPS_H - 1)*(BN + V*(-(-(TAPS_W//2)//V) - (-((TAPS_W - 1)//2)//V)))
flops:    2*N*H*W*R*S
bytes:    e*(2*N*H*W + R*S)
requires: TAPS_H = R, TAPS_W = S, D = A = 1; VEC > 1 needs W % VEC = 0, x and y aligned to 16 bytes
numerics: sums in ACC, by r, then s
*/
#include "planes.cuh"
#include "../ptx/bring.cuh"

enum {
    PACK = PackOf<T>::size,
    LANES = BN / PACK,  // threads side by side
    TM = 4,             // rows of a thread
    LEFT = FLIP ? (TAPS_W - 1) / 2 : TAPS_W / 2,
    TOP = FLIP ? (TAPS_H - 1) / 2 : TAPS_H / 2,
    BEFORE = (LEFT + PACK - 1) / PACK,  // packs of halo, so that a pack of x is one of the tile
    AFTER = (TAPS_W - 1 - LEFT + PACK - 1) / PACK,
    ACROSS = (BEFORE + LANES + AFTER) * PACK,
};

// VEC elements of row h of x from column w on into the tile; W is a multiple of VEC, so all lie inside or none does.
__device__ __forceinline__ void bring(const T* x, T* to, const Planes& g, int h, int w) {
    if (VEC > 1 && h >= 0 && within(w, g.W)) {
        bring_pack(to, x + (i64)h * g.W + w);
        return;
    }
#pragma unroll
    for (int j = 0; j < VEC; ++j) {
        const int from = h < 0 ? -1 : mapped(w + j, g.W, g.border);
        if (from < 0)
            store(to + j, (ACC)0);
        else
            to[j] = x[(i64)h * g.W + from];
    }
}

// COUNT packs, from FIRST on, of `deep` rows of the tile whose outputs begin at (top, left); of a row `read` are asked for.
template <int FIRST, int COUNT> __device__ __forceinline__ void bring_packs(
    const T* x, T* tile, const Planes& g, int top, int left, int deep, int read)
{
    enum { EACH = COUNT ? COUNT * PACK / VEC : 1 };
    if (COUNT == 0) return;
    for (int i = threadIdx.x; i < deep * EACH; i += blockDim.x) {
        const int row = i / EACH, column = FIRST * PACK + i % EACH * VEC;
        if (column < read * PACK)
            bring(x, tile + row * ACROSS + column, g, mapped(top - TOP + row, g.H, g.border),
                  left - BEFORE * PACK + column);
    }
}

// 4 rows of PACK outputs: the rows of the tile from `corner` on, each in registers once, times the taps that meet them.
__device__ __forceinline__ void combine(const T* corner, const ACC (&tap)[TAPS_H][TAPS_W], ACC (&sum)[TM][PACK]) {
#pragma unroll
    for (int i = 0; i < TM + TAPS_H - 1; ++i) {
        ACC v[BEFORE + 1 + AFTER][PACK];
#pragma unroll
        for (int k = 0; k < BEFORE + 1 + AFTER; ++k) load_channels<PACK>(corner + i * ACROSS + k * PACK, v[k]);
#pragma unroll
        for (int m = 0; m < TM; ++m) {
            if (i < m || i - m >= TAPS_H) continue;
#pragma unroll
            for (int s = 0; s < TAPS_W; ++s) {
#pragma unroll
                for (int j = 0; j < PACK; ++j) {
                    const int at = BEFORE * PACK - LEFT + s + j;
                    sum[m][j] += v[at / PACK][at % PACK] * tap[i - m][s];
                }
            }
        }
    }
}

extern "C" __global__ void __launch_bounds__(256, 2) tile_filter_forward(
    const T* __restrict__ x, const T* __restrict__ kernel, T* __restrict__ y, Planes g)
{
    __shared__ __align__(16) T tile[(BM + TAPS_H - 1) * ACROSS];

    // Name the work.
    const int across = ceil_div(g.W, BN), down = ceil_div(g.H, BM);
    const int left = blockIdx.x % across * BN, top = blockIdx.x / across % down * BM;
    const i64 plane = (i64)(blockIdx.x / across / down) * g.H * g.W;
    const int rows = smaller(BM, g.H - top), columns = smaller(BN, g.W - left);

    // Bring the rows and their halo: first what whole sectors of memory hold.
    const int deep = ceil_div(rows, TM) * TM + TAPS_H - 1, read = BEFORE + ceil_div(columns, PACK) + AFTER;
    bring_packs<BEFORE, LANES>(x + plane, tile, g, top, left, deep, read);
    bring_packs<0, BEFORE>(x + plane, tile, g, top, left, deep, read);
    bring_packs<BEFORE + LANES, AFTER>(x + plane, tile, g, top, left, deep, read);
    ACC tap[TAPS_H][TAPS_W];
#pragma unroll
    for (int r = 0; r < TAPS_H; ++r) {
#pragma unroll
        for (int s = 0; s < TAPS_W; ++s)
            tap[r][s] = load(kernel + (FLIP ? TAPS_H - 1 - r : r) * TAPS_W + (FLIP ? TAPS_W - 1 - s : s));
    }
    wait_for_packs();
    __syncthreads();

    // Combine and write.
    const int own = threadIdx.x % LANES * PACK;
    for (int row = threadIdx.x / LANES * TM; row < rows && own < columns; row += blockDim.x / LANES * TM) {
        ACC sum[TM][PACK] = {};
        combine(tile + row * ACROSS + own, tap, sum);
        T* to = y + plane + (i64)(top + row) * g.W + left + own;
#pragma unroll
        for (int m = 0; m < TM; ++m, to += g.W) {
            if (row + m >= rows) break;
#pragma unroll
            for (int j = 0; j < PACK; j += VEC) {
                if (own + j >= columns) break;
                ACC part[VEC];
#pragma unroll
                for (int k = 0; k < VEC; ++k) part[k] = sum[m][j + k];
                store_channels<VEC>(to + j, part);
            }
        }
    }
}
