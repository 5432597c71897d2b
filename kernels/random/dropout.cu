/*
Dropout, forward and backward: a mask made on the spot from the generator's numbers, never stored.

math:     y[i] = x[i] * (number[i/group] < threshold ? 0 : scale), i in logical order; number j is word j%4 of Philox
          block counter + j/4; seed, stream and counter from `fed` where it is given
layout:   x, y of `size` elements in one memory order: logical (NHWC=0), or (N,L,C) of a logical (N,C,L) (NHWC=1); fed (3)
threads:  EACH neighbours a thread: 4, which are one block's words, or 1
shared:   0
flops:    2*N*C*L
bytes:    2*e*N*C*L
requires: EACH = 4 needs NHWC = 0, group = 1 and memory on multiples of 16 bytes
numerics: one product in ACC; a dropped infinity or NaN is NaN, as on the cpu
optional: fed
*/
#include "philox.cuh"

// Four neighbours, moved in 16-byte accesses, or one of 8 for types of two bytes.
struct __align__(sizeof(T) < 4 ? 8 : 16) Four { T item[4]; };
template <int bytes> struct Access { typedef uint4 Type; };
template <> struct Access<8> { typedef uint2 Type; };

__device__ __forceinline__ void move(const void* from, void* to) {
    typedef Access<sizeof(Four)>::Type Part;
#pragma unroll
    for (int k = 0; k < sizeof(Four) / sizeof(Part); ++k) {
        reinterpret_cast<Part*>(to)[k] = reinterpret_cast<const Part*>(from)[k];
    }
}

__device__ __forceinline__ void masked(const T* x, T* y, unsigned number, ACC scale, i64 threshold) {
    store(y, load(x) * (number < threshold ? (ACC)0 : scale));
}

extern "C" __global__ void dropout(
    const T* x, T* y, i64 size, int C, int L, i64 group, ACC scale, i64 threshold, i64 seed, i64 stream, i64 counter,
    const i64* fed)
{
    const i64 at = thread_index() * EACH;
    if (at >= size) return;
    i64 i = at;
    if (NHWC) i = (at / ((i64)C * L) * C + at % C) * L + at / C % L;
    i /= group;
    if (fed) seed = fed[0], stream = fed[1], counter = fed[2];
    const Words w = philox(seed, stream, counter + i / 4);

    if (EACH == 1) {
        masked(x + at, y + at, word(w, i % 4), scale, threshold);
    } else if (at + 4 > size) {
        for (int k = 0; at + k < size; ++k) masked(x + at + k, y + at + k, word(w, k), scale, threshold);
    } else {
        Four in, out;
        move(x + at, &in);
#pragma unroll
        for (int k = 0; k < 4; ++k) masked(&in.item[k], &out.item[k], word(w, k), scale, threshold);
        move(&out, y + at);
    }
}
