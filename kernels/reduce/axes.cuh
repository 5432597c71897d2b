// Axes of an array, and of another that goes along with it: those that results have, and those that are reduced.
#pragma once
#include "../common.cuh"

#define THREADS 256
enum { SUM, LARGEST, SMALLEST, NORM1, NORM2, AMAX, PRODUCT };

struct Axes {
    i64 kept, reduced;  // accesses of VEC elements along one of them, elements along the other
    int kept_rank, reduced_rank, what, lanes, J;
    i64 kept_size[6], kept_x[6], kept_other[6];  // innermost first: size, elements from one to the next
    i64 reduced_size[6], reduced_x[6], reduced_other[6];
};

struct Offsets { i64 x, other; };

__device__ __forceinline__ Offsets seek(
    i64 item, int rank, const i64* size, const i64* apart_x, const i64* apart_other, Offsets at)
{
#pragma unroll 1
    for (int axis = 0; axis < rank; ++axis) {
        i64 i = item;
        if (axis + 1 < rank) {
            item = (item | size[axis]) >> 32 ? item / size[axis] : (unsigned)item / (unsigned)size[axis];
            i -= item * size[axis];
        }
        at.x += i * apart_x[axis], at.other += i * apart_other[axis];
    }
    return at;
}

// What a thread has to do: the results of a tile that it has a part in, and which elements of theirs it takes.
struct Share {
    i64 o;  // access of the result
    bool mine;  // whether there is such a result
    int tile, part, member, members, step;  // members, `step` threads apart, share a result's part
    i64 begin, end;  // the part's elements
};

__device__ __forceinline__ Share share_of(const Axes& axes) {
    const int lane = threadIdx.x % axes.lanes, group = threadIdx.x / axes.lanes, groups = THREADS / axes.lanes;
    Share s;
    s.member = COLUMNS ? group : lane, s.members = COLUMNS ? groups : axes.lanes, s.step = COLUMNS ? axes.lanes : 1;
    s.tile = blockIdx.x / axes.J, s.part = blockIdx.x % axes.J;
    s.o = (i64)s.tile * (COLUMNS ? axes.lanes : groups) + (COLUMNS ? lane : group);
    s.mine = s.o < axes.kept;
    const i64 each = (axes.reduced + axes.J - 1) / axes.J;
    s.begin = s.part * each;
    s.end = !s.mine ? 0 : s.begin + each < axes.reduced ? s.begin + each : axes.reduced;
    return s;
}
