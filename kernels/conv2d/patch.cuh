// Layers of few or odd channels on tensor cores: a block owns a rectangle of pixels, and the patch of the source that their
// windows meet lies in shared memory once, so that no element of a window is fetched twice. Outside the source it is zero.
//
// A tap row's S*C values lie side by side there (without dilation), a run; pairs of them are what a lane reads at once. Runs
// are filled up to pairs. Where pixels are an odd number of elements apart, the patch lies there twice, a second time one
// element further on, so that pairs are aligned for all of them.
//
// Of the file that includes this: E, DEPTH and THREADS (tensor/precision.cuh, tile.cuh or join.cuh).
#pragma once
#include "geometry.cuh"

static const int BANKS = 128 / E, AT_ONCE = 4;  // elements in all banks; loads of a thread on their way

struct Patch {
    int log_wide, wide, high;  // pixels of the rectangle
    int run, filled, runs;     // elements side by side, rounded up to pairs; how many of them a window has
    int rows, width, pitch;    // of the patch, in elements; from a row to the next
    int bytes, across, down;   // of it once; elements from a pixel to its neighbour, to that below

    __device__ __forceinline__ Patch(const Conv2d& g, int log_wide, int pixels)
        : log_wide(log_wide), wide(1 << log_wide), high(pixels >> log_wide)
    {
        const bool whole = g.dil_w == 1 || g.S == 1;
        run = whole ? g.S * g.Cg() : g.Cg(), filled = (run + 1) / 2 * 2, runs = whole ? g.R : g.R * g.S;
        rows = (high - 1) * g.stride_h + (g.R - 1) * g.dil_h + 1;
        width = ((wide - 1) * g.stride_w + (g.S - 1) * g.dil_w + 1) * g.Cg(), pitch = width / 2 * 2 + 2;
        bytes = (ceil_div(rows * pitch, BANKS) * BANKS + BANKS / 2) * E;  // the copies' pixels meet different banks
        across = g.stride_w * g.Cg(), down = g.stride_h * pitch;
    }
    __device__ __forceinline__ bool twice() const { return across & 1; }
    __device__ __forceinline__ int line(int pixel) const { return pixel >> log_wide; }
    __device__ __forceinline__ int column(int pixel) const { return pixel & (wide - 1); }
    // Bytes from the patch to a pixel's first tap.
    __device__ __forceinline__ int place(int pixel) const {
        const int beside = column(pixel) * across, at = line(pixel) * down + beside;
        return beside & 1 ? bytes + (at - 1) * E : at * E;
    }
    // Bytes from a pixel's first tap to `i` pairs further on in the depth; 0 behind its end.
    __device__ __forceinline__ int further(const Conv2d& g, int i) const {
        const int which = 2 * i / filled, at = 2 * i % filled;
        if (which >= runs) return 0;
        const int r = runs == g.R ? which : which / g.S, s = runs == g.R ? 0 : which % g.S;
        return (r * g.dil_h * pitch + s * g.dil_w * g.Cg() + at) * E;
    }
    // Elements of a window, from its first to its last.
    __device__ __forceinline__ int reach(const Conv2d& g) const {
        return (g.R - 1) * g.dil_h * pitch + ((g.S - 1) * g.dil_w + 1) * g.Cg() + 1;
    }
};

// The patch whose first element is that of row h, column w of image n. A warp takes a row, from a multiple of 32 elements
// on, so that its accesses are of whole sectors.
__device__ __forceinline__ void keep_patch(const Patch& p, const Conv2d& g, const T* source, int n, int h, int w, char* to) {
    T* first = reinterpret_cast<T*>(to);
    T* second = reinterpret_cast<T*>(to + p.bytes);
#pragma unroll 1
    for (int row = threadIdx.x / 32; row < p.rows; row += THREADS / 32) {
        const i64 line = ((i64)n * g.H + h + row) * g.W * g.C, begin = (i64)w * g.C;
        const bool real = within(h + row, g.H);
        const T* from = source + line;
#pragma unroll 1
        for (int at = (int)(threadIdx.x % 32) - (int)((line + begin) & 31); at <= p.width; at += 32 * AT_ONCE) {
            T v[AT_ONCE];
#pragma unroll
            for (int l = 0; l < AT_ONCE; ++l) {
                const int i = at + 32 * l;
                const i64 x = begin + (g.groups == 1 ? i : i / g.Cg() * g.C + i % g.Cg());
                v[l] = T{};
                if (real && i >= 0 && i < p.width && x >= 0 && x < (i64)g.W * g.C) v[l] = from[x];
            }
#pragma unroll
            for (int l = 0; l < AT_ONCE; ++l) {
                const int i = at + 32 * l;
                if (i < 0 || i > p.width) continue;
                first[row * p.pitch + i] = v[l];
                if (p.twice() && i > 0) second[row * p.pitch + i - 1] = v[l];
            }
        }
    }
}
