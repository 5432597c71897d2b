// A convolution as a product of two matrices, of which the first exists nowhere: a row is an output pixel m = (n,p,q), a
// column a place d = (r,s,c) of its window. The second is the weight as it lies in memory: a row a filter, D places long.
#pragma once
#include "geometry.cuh"

// The element of x that pixel m sees at place d of its window; 0 in the padding, and outside the matrix.
__device__ __forceinline__ ACC im2col(const T* x, const Conv2d& g, int group, int m, int d) {
    const int Cg = g.Cg(), c = d % Cg, s = d / Cg % g.S, r = d / Cg / g.S;
    const int q = m % g.Q, p = m / g.Q % g.P, n = m / g.Q / g.P, h = g.row(p, r), w = g.col(q, s);
    if (n >= g.N || r >= g.R || !g.inside(h, w)) return 0;
    return load(x + (((i64)n * g.H + h) * g.W + w) * g.C + group * Cg + c);
}

// The weight of filter k of the group at place d; 0 outside the matrix.
__device__ __forceinline__ ACC filter(const T* weight, const Conv2d& g, int group, int k, int d) {
    const int D = g.R * g.S * g.Cg();
    return k < g.Kg() && d < D ? load(weight + (i64)(group * g.Kg() + k) * D + d) : (ACC)0;
}
