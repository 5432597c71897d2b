// A maximum and where it is, for whoever finds them in pieces; and places side by side.
#pragma once
#include "../common.cuh"

struct Choice {
    ACC value;
    int at;  // -1: of nothing

    __device__ __forceinline__ bool nan() const { return value != value; }
};

// The larger of two: of equals the one that comes first, of NaNs, which beat every number, the last. In any grouping
// the same.
__device__ __forceinline__ Choice chosen(const Choice& a, const Choice& b) {
    if (a.at < 0 || b.at < 0) return a.at < 0 ? b : a;
    const bool later = b.at > a.at;
    const bool wins = b.nan() ? !a.nan() || later : b.value > a.value || (b.value == a.value && !later);
    return wins ? b : a;
}

// VEC places, moved by one access (two where they are more than 16 bytes): a plain copy would go byte by byte.
template <typename I> struct alignas(sizeof(I) * VEC < 16 ? sizeof(I) * VEC : 16) Chosen {
    I item[VEC];
};

template <int BYTES> struct WordOf { typedef uint4 type; };
template <> struct WordOf<8> { typedef uint2 type; };
template <> struct WordOf<4> { typedef unsigned type; };
template <> struct WordOf<2> { typedef unsigned short type; };
template <> struct WordOf<1> { typedef unsigned char type; };

template <typename I> __device__ __forceinline__ void copy_chosen(void* to, const void* from) {
    typedef typename WordOf<sizeof(Chosen<I>)>::type Word;
#pragma unroll
    for (int k = 0; k < sizeof(Chosen<I>) / sizeof(Word); ++k) {
        reinterpret_cast<Word*>(to)[k] = reinterpret_cast<const Word*>(from)[k];
    }
}

template <typename I> __device__ __forceinline__ Chosen<I> load_chosen(const I* p) {
    Chosen<I> found;
    copy_chosen<I>(&found, p);
    return found;
}

template <typename I> __device__ __forceinline__ void store_chosen(I* p, const Chosen<I>& found) { copy_chosen<I>(p, &found); }
