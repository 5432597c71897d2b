/*
Images at the places of a grid.

math:     y[n,c,l] = sum over the corners k of place l: weight(k) * x[n,c,pixel(k)]; outside x is 0, or padded: places.cuh
layout:   x (N,C,D,H,W), y (N,C,L), both row-major or both channels-last; grid (N,L,RANK), the last axis of x first
threads:  a thread owns EACH channels of one place
shared:   0
flops:    2*N*C*L*TAPS**2
bytes:    e*N*(C*(D*H*W + L) + 2*L)
requires: D = 1 where RANK = 2; N and one of the N of x and of y below 2^31; VEC > 1: NHWC, C a multiple of VEC,
          x and y aligned to 16 bytes
numerics: in ACC, by corners, the last axis's first, no FMA
*/
#include "places.cuh"

extern "C" __global__ void __launch_bounds__(256) grid_sample_forward(const T* x, const T* grid, T* y, Sampled g)
{
    // seek
    const int groups = ceil_div(g.C, EACH), each = groups * g.L;
    const i64 item = thread_index(), n = item / each;
    if (n >= g.N) return;
    const int rest = item - n * each, place = NHWC ? rest / groups : rest % g.L;
    const int c = (NHWC ? rest % groups : rest / g.L) * EACH;
    const T* image = x + n * g.pixels() * g.C;
    Axis axis[RANK];
    seek(grid, n * g.L + place, g, axis);

    // combine
    ACC sum[EACH] = {};
#pragma unroll
    for (int k = 0; k < CORNERS; ++k) {
        ACC v[EACH] = {}, weight;
        const int pixel = pixel_of(axis, k, g, weight);
        if (pixel >= 0) load_each(image, pixel, g.pixels(), c, g.C, v);
#pragma unroll
        for (int j = 0; j < EACH; ++j) sum[j] += times(weight, v[j]);  // a weight of NaN outside, too
    }

    // write
    store_each(y + n * g.L * g.C, place, g.L, c, g.C, sum);
}
