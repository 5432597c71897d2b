// A convolution by its axes, outermost first: what the tiled kernels of two and of three dimensions share.
#pragma once
#include "geometry.cuh"

template <int RANK> struct Axes {
    int N, C, K, groups;
    int in[RANK], window[RANK], out[RANK];  // positions of x, of the window and of y along each axis
    int stride[RANK], begin[RANK], dil[RANK];  // begin: where the first window begins, -pad

    __device__ __forceinline__ int Cg() const { return C / groups; }  // channels of one group
    __device__ __forceinline__ int Kg() const { return K / groups; }  // filters of one group
};

__device__ __forceinline__ Axes<2> axes_of(const Conv2d& g) {
    return {
        g.N, g.C, g.K, g.groups, {g.H, g.W}, {g.R, g.S}, {g.P, g.Q}, {g.stride_h, g.stride_w}, {-g.pad_h, -g.pad_w},
        {g.dil_h, g.dil_w}};
}

// For each axis from the outermost. No loop: it would be unrolled after the compiler has placed what all steps share.
template <int RANK, int A = 0, typename Act> __device__ __forceinline__ void each_axis(const Act& act) {
    act(A);
    if constexpr (A + 1 < RANK) each_axis<RANK, A + 1>(act);
}

template <int RANK> __device__ __forceinline__ int volume(const int (&sizes)[RANK]) {
    int all = 1;
    each_axis<RANK>([&](int a) { all *= sizes[a]; });
    return all;
}

// Number m of row-major samples of these sizes: its place on each axis. Returns its sample.
template <int RANK> __device__ __forceinline__ int split(int m, const int (&sizes)[RANK], int (&at)[RANK]) {
    each_axis<RANK>([&](int a) { at[RANK - 1 - a] = m % sizes[RANK - 1 - a], m /= sizes[RANK - 1 - a]; });
    return m;
}

// The other way: the number of a place.
template <typename N, int RANK> __device__ __forceinline__ N number(N sample, const int (&sizes)[RANK], const int (&at)[RANK]) {
    each_axis<RANK>([&](int a) { sample = sample * sizes[a] + at[a]; });
    return sample;
}

template <int RANK, int A = RANK - 1>
__device__ __forceinline__ bool inside(const int (&sizes)[RANK], const int (&at)[RANK]) {
    if constexpr (A == 0) return within(at[0], sizes[0]);
    else return inside<RANK, A - 1>(sizes, at) && within(at[A], sizes[A]);
}

// A bit a tap of the window: whether it lies inside, the first one at this place, the others steps apart.
template <int RANK, int A = RANK - 1>
__device__ __forceinline__ unsigned taps_inside(
    const int (&sizes)[RANK], const int (&at)[RANK], const int (&window)[RANK], const int (&step)[RANK],
    unsigned inner = 1, int bits = 1)
{
    unsigned all = 0;
    for (int i = 0; i < window[A]; ++i) all |= within(at[A] + i * step[A], sizes[A]) ? inner << i * bits : 0u;
    if constexpr (A == 0) return all;
    else return taps_inside<RANK, A - 1>(sizes, at, window, step, all, bits * window[A]);
}
