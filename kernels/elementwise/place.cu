/*
An array laid into a larger one: a frame of zeros around it, or between its elements; the gradient of a slice.

math:     y[i] = x[k] where i = first + k*step along every axis, with 0 <= k < count; elsewhere value
layout:   y in x's memory order, x with any strides
threads:  four accesses of VEC elements of y, a block's width apart
shared:   0
flops:    L
bytes:    e*(L + M)
requires: VEC > 1: x and y aligned to 16 bytes; along axis 0 step 1, x one in memory, and every size and place a multiple
          of VEC, as all other strides
numerics: exact
*/
#include "../common.cuh"

struct Frame {
    i64 items;  // accesses of y
    int rank;
    i64 size[6], x[6];  // of y, innermost first; elements of x from one to the next; of axis 0 in accesses
    i64 first[6], step[6], count[6];
};

// Where an access of y begins in x, or -1 outside it.
template <typename I> __device__ __forceinline__ bool find(const Frame& frame, I item, i64& offset) {
    bool inside = true;
    offset = 0;
#pragma unroll 1
    for (int axis = 0; axis < frame.rank; ++axis) {
        I i = item;
        if (axis + 1 < frame.rank) {
            item /= (I)frame.size[axis];
            i -= item * (I)frame.size[axis];
        }
        if (i < (I)frame.first[axis]) return false;
        i -= (I)frame.first[axis];
        I k = i;
        if (frame.step[axis] > 1) {
            k /= (I)frame.step[axis];
            inside = inside && k * (I)frame.step[axis] == i;
        }
        if (k >= (I)frame.count[axis]) return false;
        offset += k * frame.x[axis];
    }
    return inside;
}

extern "C" __global__ void __launch_bounds__(256) place(
    const T* x, T* y, const __grid_constant__ Frame frame, ACC value)
{
    constexpr int EACH = 4;
    ACC v[EACH][VEC];
    const i64 start = (i64)blockIdx.x * blockDim.x * EACH + threadIdx.x;

    // seek and load
#pragma unroll
    for (int e = 0; e < EACH; ++e) {
        const i64 item = start + e * blockDim.x;
        i64 offset;
#pragma unroll
        for (int j = 0; j < VEC; ++j) v[e][j] = value;
        if (item >= frame.items) continue;
        if (frame.items >> 32 ? find<i64>(frame, item, offset) : find<unsigned>(frame, (unsigned)item, offset))
            load_channels(x + offset, v[e]);
    }

    // write
#pragma unroll
    for (int e = 0; e < EACH; ++e) {
        const i64 item = start + e * blockDim.x;
        if (item < frame.items) store_channels(y + item * VEC, v[e]);
    }
}
