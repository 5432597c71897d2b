// Where maxima are: the indices of VEC neighbours.
#pragma once
#include "../common.cuh"

// Moved by one access, two where they are more than 16 bytes: a plain copy would go byte by byte.
template <typename I> struct alignas(sizeof(I) * VEC < 16 ? sizeof(I) * VEC : 16) Indices {
    I item[VEC];
};

template <int BYTES> struct WordOf { typedef uint4 type; };
template <> struct WordOf<8> { typedef uint2 type; };
template <> struct WordOf<4> { typedef unsigned type; };
template <> struct WordOf<2> { typedef unsigned short type; };
template <> struct WordOf<1> { typedef unsigned char type; };

template <typename I> __device__ __forceinline__ void copy_indices(void* to, const void* from) {
    typedef typename WordOf<sizeof(Indices<I>)>::type Word;
#pragma unroll
    for (int k = 0; k < sizeof(Indices<I>) / sizeof(Word); ++k) {
        reinterpret_cast<Word*>(to)[k] = reinterpret_cast<const Word*>(from)[k];
    }
}

template <typename I> __device__ __forceinline__ Indices<I> load_indices(const I* p) {
    Indices<I> found;
    copy_indices<I>(&found, p);
    return found;
}

template <typename I> __device__ __forceinline__ void store_indices(I* p, const Indices<I>& found) { copy_indices<I>(p, &found); }
