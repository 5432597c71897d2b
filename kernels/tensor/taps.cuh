// Where the rows of an implicit GEMM's tile lie, and the taps that it goes through: a table that each block makes once.
//
// Places are counted in packs of 16 bytes, so that 32 bits reach 32 GB.
#pragma once

static const int MOST_TAPS = 32;

struct Table {
    int from[BM];           // where the row's first place lies in the source
    unsigned mask[BM];      // bit t: tap t meets the source there; 0 where there is no such row
    int to[BM];             // where its results begin, or -1
    int source[MOST_TAPS];  // how far the tap is from the row's first place
    int weight[MOST_TAPS];  // and in the weights
};

// Where in the depth a thread is: its tap, and the pack or the element inside of it.
struct Depth {
    int tap, at;
    __device__ __forceinline__ void seek(int place, int size) { tap = place / size, at = place % size; }
    __device__ __forceinline__ void advance(int taps, int rest, int size) {
        tap += taps, at += rest;
        if (at >= size) at -= size, ++tap;
    }
};
