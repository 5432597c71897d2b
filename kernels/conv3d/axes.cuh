// A 3-d convolution by its axes.
#pragma once
#include "../conv2d/axes.cuh"
#include "geometry.cuh"

__device__ __forceinline__ Axes<3> axes_of(const Conv3d& g) {
    return {
        g.N, g.C, g.K, g.groups, {g.D, g.H, g.W}, {g.A, g.R, g.S}, {g.O, g.P, g.Q},
        {g.stride_d, g.stride_h, g.stride_w}, {-g.pad_d, -g.pad_h, -g.pad_w}, {g.dil_d, g.dil_h, g.dil_w}};
}
