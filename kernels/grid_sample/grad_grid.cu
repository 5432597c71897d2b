/*
The gradient of a grid, and which pixels each 256 places read.

math:     ggrid[n,l,a] = sum over the corners k of place l: slope(k,a) * sum over c: gy[n,c,l] * x[n,c,pixel(k)]
          bounds[n,j,a] = the first and the last element of axis a that places 256 j to 256 j + 255 read
layout:   gy (N,C,L), x (N,C,D,H,W), both row-major or both channels-last; grid and ggrid (N,L,RANK); bounds (N,J,RANK,2),
          J = L / 256, rounded up
threads:  a thread owns one place, a block 256 of one image
shared:   64*RANK
flops:    2*N*C*L*TAPS**2
bytes:    e*N*(C*(D*H*W + L) + 4*L)
requires: 256 threads a block; D = 1 where RANK = 2; one of the N of x and of gy below 2^31; EACH = VEC = 1; where ggrid is,
          gy and x are
numerics: in ACC, by c, then by corners, no FMA
optional: gy x ggrid bounds
*/
#include "places.cuh"

// The slopes of one place.
__device__ __forceinline__ void slopes(
    const T* gy, const T* x, const Axis (&axis)[RANK], int place, const Sampled& g, ACC (&sum)[RANK])
{
    ACC met[CORNERS] = {}, weight;
    int pixel[CORNERS];
#pragma unroll
    for (int k = 0; k < CORNERS; ++k) pixel[k] = pixel_of(axis, k, g, weight);
    for (int c = 0; c < g.C; ++c) {
        ACC above[EACH], v[EACH];
        load_each(gy, place, g.L, c, g.C, above);
#pragma unroll
        for (int k = 0; k < CORNERS; ++k) {
            v[0] = 0;
            if (pixel[k] >= 0) load_each(x, pixel[k], g.pixels(), c, g.C, v);
            met[k] += times(v[0], above[0]);
        }
    }
#pragma unroll
    for (int k = 0; k < CORNERS; ++k) {
#pragma unroll
        for (int a = 0; a < RANK; ++a) {
            ACC slope = times(met[k], axis[a].slope[tap(k, a)]);
#pragma unroll
            for (int other = 0; other < RANK; ++other) {
                if (other != a) slope = times(slope, axis[other].weight[tap(k, other)]);
            }
            sum[RANK - 1 - a] += slope;
        }
    }
}

// The first and the last element of each axis that the block's places read; none where one of the axes is left.
__device__ __forceinline__ void bound(const Axis (&axis)[RANK], bool mine, const Sampled& g, int* bounds) {
    __shared__ int low[RANK][PLACES / 32], high[RANK][PLACES / 32];
    const int me = threadIdx.x;
    int first[RANK], last[RANK];
#pragma unroll
    for (int a = 0; a < RANK; ++a) {
        first[a] = g.size(a), last[a] = -1;
#pragma unroll
        for (int i = 0; i < TAPS; ++i) {
            const int at = axis[a].index[i];
            if (mine && within(at, g.size(a))) first[a] = smaller(first[a], at), last[a] = larger(last[a], at);
        }
        mine = mine && last[a] >= 0;
    }
#pragma unroll
    for (int a = 0; a < RANK; ++a) {
        if (!mine) first[a] = g.size(a), last[a] = -1;
        for (int half = 16; half > 0; half /= 2) {
            first[a] = smaller(first[a], __shfl_xor_sync(0xffffffffu, first[a], half));
            last[a] = larger(last[a], __shfl_xor_sync(0xffffffffu, last[a], half));
        }
        if (me % 32 == 0) low[a][me / 32] = first[a], high[a][me / 32] = last[a];
    }
    __syncthreads();
    if (me >= RANK) return;
    for (int warp = 1; warp < PLACES / 32; ++warp) {
        low[me][0] = smaller(low[me][0], low[me][warp]), high[me][0] = larger(high[me][0], high[me][warp]);
    }
    int* mine_of = bounds + ((i64)blockIdx.x * RANK + me) * 2;
    mine_of[0] = low[me][0], mine_of[1] = high[me][0];
}

extern "C" __global__ void __launch_bounds__(256, 2) grid_sample_grad_grid(
    const T* gy, const T* x, const T* grid, T* ggrid, int* bounds, Sampled g)
{
    // seek
    const int chunks = ceil_div(g.L, PLACES), n = blockIdx.x / chunks;
    const int place = (blockIdx.x - n * chunks) * PLACES + threadIdx.x;
    const bool mine = place < g.L;
    Axis axis[RANK] = {};
    if (mine) seek(grid, (i64)n * g.L + place, g, axis);

    // combine, and write
    if (ggrid && mine) {
        ACC sum[RANK] = {};
        if constexpr (TAPS > 1) slopes(gy + (i64)n * g.L * g.C, x + (i64)n * g.pixels() * g.C, axis, place, g, sum);
#pragma unroll
        for (int a = 0; a < RANK; ++a) store(ggrid + ((i64)n * g.L + place) * RANK + a, sum[a]);
    }
    if (bounds) bound(axis, mine, g, bounds);
}
