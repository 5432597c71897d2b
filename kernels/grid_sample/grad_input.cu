/*
The gradient of images that a grid has read, without atomics: each pixel looks for the places that read it.

math:     gx[n,c,i] = sum over the places l and their corners k with pixel(k) = i: weight(k) * gy[n,c,l]
layout:   gy (N,C,L), gx (N,C,D,H,W), both row-major or both channels-last; grid (N,L,RANK); bounds as grad_grid.cu has them
threads:  a block owns a tile of one image, 16x16 or 4x8x8 pixels of EACH channels, a thread one pixel. Of the places whose
          bounds meet the tile, 256 at a time, it gathers those that read from it in shared memory, in their order, and each
          thread adds what its pixel has of each
shared:   256*(TAPS*RANK*((8 if e == 8 else 4) + 4) + 8) + 32
flops:    2*N*C*L*TAPS**2
bytes:    e*N*(C*(D*H*W + L) + 2*L)
requires: 256 threads a block; D = 1 where RANK = 2; one of the N of gy and of gx below 2^31; VEC > 1: NHWC, C a multiple of
          VEC, gy and gx aligned to 16 bytes
numerics: in ACC, by places; weights of one place that meet in a pixel are added first. No FMA
*/
#include "places.cuh"
#include "../indexing/packed.cuh"

__device__ __forceinline__ int side(int a) { return RANK == 2 ? 16 : a == 0 ? 4 : 8; }

// Where a tile begins, and where one of its pixels lies in it: the last axis first.
__device__ __forceinline__ void place_tile(int tile, const Sampled& g, int (&first)[RANK], int (&own)[RANK]) {
    int me = threadIdx.x;
#pragma unroll
    for (int a = RANK - 1; a >= 0; --a) {
        const int tiles = ceil_div(g.size(a), side(a));
        first[a] = tile % tiles * side(a), own[a] = first[a] + me % side(a);
        tile /= tiles, me /= side(a);
    }
}

// Whether some of the 256 places read from the tile.
__device__ __forceinline__ bool meets(const int* bounds, const int (&first)[RANK]) {
#pragma unroll
    for (int a = 0; a < RANK; ++a) {
        if (bounds[2 * a] >= first[a] + side(a) || bounds[2 * a + 1] < first[a]) return false;
    }
    return true;
}

// Whether a place reads from the tile, and from the image.
__device__ __forceinline__ bool reads(const Axis (&axis)[RANK], const int (&first)[RANK], const Sampled& g) {
#pragma unroll
    for (int a = 0; a < RANK; ++a) {
        bool any = false;
#pragma unroll
        for (int i = 0; i < TAPS; ++i) {
            const int at = axis[a].index[i];
            any = any || (within(at - first[a], side(a)) && within(at, g.size(a)));
        }
        if (!any) return false;
    }
    return true;
}

extern "C" __global__ void __launch_bounds__(256, 2) grid_sample_grad_input(
    const T* gy, const T* grid, const int* bounds, T* gx, Sampled g)
{
    __shared__ int list[PLACES], places[PLACES], index[RANK * TAPS][PLACES];
    __shared__ ACC weights[RANK * TAPS][PLACES];

    // seek
    const int groups = ceil_div(g.C, EACH), chunks = ceil_div(g.L, PLACES);
    int tiles = 1, first[RANK], own[RANK], count, met;
#pragma unroll
    for (int a = 0; a < RANK; ++a) tiles *= ceil_div(g.size(a), side(a));
    const int image = blockIdx.x / (tiles * groups), rest = blockIdx.x % (tiles * groups), c = rest / tiles * EACH;
    const int me = threadIdx.x;
    const i64 n = image;
    place_tile(rest % tiles, g, first, own);
    const T* above = gy + n * g.L * g.C;
    ACC sum[EACH] = {};

    for (int begin = 0; begin < chunks; begin += PLACES) {
        // gather the chunks that meet the tile
        const bool near = begin + me < chunks && meets(bounds + (n * chunks + begin + me) * RANK * 2, first);
        if (!__syncthreads_or(near)) continue;
        const int slot = packed(near, count);
        if (near) list[slot] = begin + me;
        __syncthreads();
        for (int i = 0; i < count; ++i) {
            // gather a chunk's places that read from it; the barrier inside lets others read the last ones first
            const int place = list[i] * PLACES + me;
            Axis axis[RANK] = {};
            if (place < g.L) seek(grid, n * g.L + place, g, axis);
            const bool mine = place < g.L && reads(axis, first, g);
            const int at = packed(mine, met);
            if (mine) {
                places[at] = place;
#pragma unroll
                for (int t = 0; t < RANK * TAPS; ++t) {
                    index[t][at] = axis[t / TAPS].index[t % TAPS], weights[t][at] = axis[t / TAPS].weight[t % TAPS];
                }
            }
            __syncthreads();

            // combine
            for (int l = 0; l < met; ++l) {
                ACC weight = 1;
                bool read = true;
#pragma unroll
                for (int a = 0; a < RANK; ++a) {
                    ACC all = 0;
                    bool any = false;
#pragma unroll
                    for (int t = a * TAPS; t < (a + 1) * TAPS; ++t) {
                        if (index[t][l] == own[a]) all += weights[t][l], any = true;
                    }
                    weight = times(weight, all), read = read && any;
                }
                if (!read) continue;
                ACC v[EACH];
                load_each(above, places[l], g.L, c, g.C, v);
#pragma unroll
                for (int j = 0; j < EACH; ++j) sum[j] += times(weight, v[j]);
            }
        }
    }

    // write
    int pixel = 0;
#pragma unroll
    for (int a = 0; a < RANK; ++a) pixel = own[a] < g.size(a) ? pixel * g.size(a) + own[a] : -1;
    if (pixel >= 0) store_each(gx + n * g.pixels() * g.C, pixel, g.pixels(), c, g.C, sum);
}
