// How a kernel finds its elements in up to four arrays of one shape, each with strides of its own.
//
// Axes lie innermost first, in the result's memory order; those that are one in every array were joined. An access is VEC
// neighbours along axis 0.
#pragma once
#include "../common.cuh"

const int AXES = 6;

struct Walk {
    i64 items;  // accesses
    int rank;
    i64 size[6];  // of axis 0 in accesses
    i64 u[6], v[6], w[6], y[6];  // elements from one to the next (of axis 0: access) along an axis, 0 where repeated
};

struct Offsets { i64 u, v, w, y; };  // negative: of no access

template <typename I> __device__ __forceinline__ Offsets seek_in(const Walk& walk, I item) {
    Offsets at = {0, 0, 0, 0};
#pragma unroll 1
    for (int axis = 0; axis < walk.rank; ++axis) {
        I i = item;
        if (axis + 1 < walk.rank) {  // what is left of the outermost is its own place
            item /= (I)walk.size[axis];
            i -= item * (I)walk.size[axis];
        }
        at.u += i * walk.u[axis], at.v += i * walk.v[axis], at.w += i * walk.w[axis], at.y += i * walk.y[axis];
    }
    return at;
}

// Where the access `item` begins in each array; 32-bit divisions where they do.
__device__ __forceinline__ Offsets seek(const Walk& walk, i64 item) {
    return walk.items >> 32 ? seek_in<i64>(walk, item) : seek_in<unsigned>(walk, (unsigned)item);
}

// EACH accesses at these offsets: VEC neighbours, or one element VEC times where the operand is repeated along axis 0; no
// pointer: a number. A negative offset is of no access. One branch for all, so that all loads are issued before any is used.
template <int EACH> __device__ __forceinline__ void fetch(
    const T* p, bool repeated, ACC number, const i64 (&at)[EACH], ACC (&to)[EACH][VEC])
{
    if (p && !repeated) {
#pragma unroll
        for (int e = 0; e < EACH; ++e)
            if (at[e] >= 0) load_channels(p + at[e], to[e]);
        return;
    }
#pragma unroll
    for (int e = 0; e < EACH; ++e) {
        const ACC one = p && at[e] >= 0 ? load(p + at[e]) : number;
#pragma unroll
        for (int j = 0; j < VEC; ++j) to[e][j] = one;
    }
}
