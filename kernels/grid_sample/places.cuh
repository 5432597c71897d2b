// What a place of a grid reads along each axis, as gpunn/grids.py has it, and by the same roundings.
//   TAPS  elements along an axis: 1 nearest, 2 linear, 4 cubic
//   RANK  axes of an image, 2 or 3
//   EACH  channels that a thread takes: VEC neighbours in memory where NHWC, else planes
#pragma once
#include "../common.cuh"

enum { ZEROS, BORDER, REFLECTION };
static const int OUTSIDE = -2;  // an element that there is not
static const int CORNERS = RANK == 2 ? TAPS * TAPS : TAPS * TAPS * TAPS;
static const int PLACES = 256;  // of a block

struct Sampled {
    int N, C, D, H, W, L, padding, align_corners;  // L: places of an image

    __device__ __forceinline__ int size(int axis) const { return axis == RANK - 1 ? W : axis == RANK - 2 ? H : D; }
    __device__ __forceinline__ int pixels() const { return D * H * W; }
};

// The elements that are read along one axis, their weights, and the weights' slopes by the grid.
struct Axis {
    int index[TAPS];
    ACC weight[TAPS], slope[TAPS];
};

// Unlike min and max these keep a NaN.
__device__ __forceinline__ ACC between(ACC v, ACC low, ACC high) { return v < low ? low : v > high ? high : v; }
__device__ __forceinline__ ACC number(ACC v, ACC instead) { return v == v ? v : instead; }

// A place mirrored at the ends until it lies between them, and the slope of that.
__device__ __forceinline__ ACC reflected(ACC at, int n, bool align_corners, ACC& turned) {
    const ACC low = align_corners ? 0 : (ACC)-0.5, span = align_corners ? n - 1 : n;
    turned = 0;
    if (span == 0) return 0;
    const ACC away = fabs(at - low), whole = floor(away / span), rest = away - times(whole, span);
    const bool odd = whole - 2 * floor(whole / 2) == 1;
    turned = odd == (at < low) ? 1 : -1;
    return (odd ? span - rest : rest) + low;
}

// A place within the axis, or among the zeros beside it, and the slope of that. NaN stays among zeros, else it is place 0.
__device__ __forceinline__ ACC inside(ACC at, int n, const Sampled& g, ACC& turned) {
    turned = 1;
    if (g.padding == ZEROS) return between(at, OUTSIDE, n);
    if (g.padding == REFLECTION) at = reflected(at, n, g.align_corners, turned);
    if (!(at > 0 && at < n - 1)) turned = 0;
    return number(between(at, 0, n - 1), 0);
}

// Keys' cubic convolution with slope -0.75.
__device__ __forceinline__ void cubic(ACC t, bool near, ACC& weight, ACC& slope) {
    if (near) {
        weight = times(times(times((ACC)1.25, t) - (ACC)2.25, t), t) + 1;
        slope = times(times((ACC)3.75, t) - (ACC)4.5, t);
    } else {
        weight = times(times(times((ACC)-0.75, t) + (ACC)3.75, t) - 6, t) + 3;
        slope = times(times((ACC)-2.25, t) + (ACC)7.5, t) - 6;
    }
}

__device__ __forceinline__ Axis taps(ACC place, int n, const Sampled& g) {
    Axis found;
    const ACC factor = (ACC)(g.align_corners ? n - 1 : n) * (ACC)0.5;
    ACC at = times(place + 1, factor) - (g.align_corners ? 0 : (ACC)0.5), turned;
    if constexpr (TAPS == 4) {
        const ACC low = floor(at), near = at - low;
#pragma unroll
        for (int i = 0; i < TAPS; ++i) {
            cubic(fabs(near - (i - 1)), i == 1 || i == 2, found.weight[i], found.slope[i]);
            found.slope[i] = times(found.slope[i], i < 2 ? factor : -factor);
            found.index[i] = (int)number(inside(low + (i - 1), n, g, turned), OUTSIDE);
        }
    } else {
        at = inside(at, n, g, turned);
        const ACC low = TAPS == 1 ? rint(at) : floor(at);
#pragma unroll
        for (int i = 0; i < TAPS; ++i) {
            found.index[i] = (int)number(low, OUTSIDE) + i;
            found.weight[i] = TAPS == 1 ? 1 : i ? at - low : 1 - (at - low);
            found.slope[i] = TAPS == 1 ? 0 : times(i ? factor : -factor, turned);
        }
    }
    return found;
}

// All axes of one place, the image's first axis first.
__device__ __forceinline__ void seek(const T* grid, i64 place, const Sampled& g, Axis (&axis)[RANK]) {
#pragma unroll
    for (int a = 0; a < RANK; ++a) axis[a] = taps(load(grid + place * RANK + RANK - 1 - a), g.size(a), g);
}

// Which tap of an axis belongs to a corner; the last axis's changes first.
__device__ __forceinline__ int tap(int corner, int a) {
    return (a == RANK - 1 ? corner : a == RANK - 2 ? corner / TAPS : corner / TAPS / TAPS) % TAPS;
}

// The pixel of a corner, below 0 outside, and what it weighs.
__device__ __forceinline__ int pixel_of(const Axis (&axis)[RANK], int corner, const Sampled& g, ACC& weight) {
    int pixel = 0;
#pragma unroll
    for (int a = 0; a < RANK; ++a) {
        const int i = tap(corner, a), at = axis[a].index[i];
        weight = a ? times(weight, axis[a].weight[i]) : axis[a].weight[i];
        pixel = within(at, g.size(a)) ? pixel * g.size(a) + at : -1;  // which stays below 0
    }
    return pixel;
}

// EACH channels, from c on, of one of `all` pixels or places; zeros where there are none.
__device__ __forceinline__ void load_each(const T* image, int at, int all, int c, int C, ACC (&v)[EACH]) {
    if constexpr (NHWC) {
        load_channels(image + at * C + c, v);
    } else {
#pragma unroll
        for (int j = 0; j < EACH; ++j) v[j] = c + j < C ? load(image + (c + j) * all + at) : 0;
    }
}

__device__ __forceinline__ void store_each(T* image, int at, int all, int c, int C, const ACC (&v)[EACH]) {
    if constexpr (NHWC) {
        store_channels(image + at * C + c, v);
    } else {
#pragma unroll
        for (int j = 0; j < EACH; ++j) {
            if (c + j < C) store(image + (c + j) * all + at, v[j]);
        }
    }
}
