// Filters: the geometry that every kernel of the family takes, and what its borders mean.
#pragma once
#include "../common.cuh"

// N volumes of D x H x W, each by itself correlated with one filter of A x R x S taps; axes that there are not are 1.
struct Planes {
    int N, D, H, W, A, R, S;
    int front, top, left;  // places from an output back to its first tap
    int border;            // what lies outside: a number of Border
};

enum Border { ZEROS, REFLECT, REPLICATE, CIRCULAR, SYMMETRIC };

// The place of n that place i of an endless axis is a copy of; -1 where that is a zero. Images that end before the filter
// does are repeated, or reflected, as often as it takes.
__device__ __forceinline__ int mapped(int i, int n, int border) {
    if (within(i, n)) return i;
    if (border == ZEROS) return -1;
    if (border == REPLICATE) return i < 0 ? 0 : n - 1;
    const i64 period = border == CIRCULAR ? n : border == SYMMETRIC ? 2ll * n : n > 1 ? 2ll * (n - 1) : 1;
    const i64 at = i % period + (i % period < 0 ? period : 0);
    return at < n ? at : border == SYMMETRIC ? period - 1 - at : period - at;
}

// The place along an axis of an element's number, of which what remains is its number among the axes before: by a division
// of 32 bits where it can be.
__device__ __forceinline__ int part(i64& number, int size) {
    const i64 before = number >> 32 ? number / size : (unsigned)number / (unsigned)size;
    const int place = number - before * size;
    number = before;
    return place;
}

// Where an element lies.
struct Place {
    i64 n;
    int d, h, w;

    __device__ __forceinline__ Place(const Planes& g, i64 at) {
        w = part(at, g.W);
        h = part(at, g.H);
        d = part(at, g.D);
        n = at;
    }
};
