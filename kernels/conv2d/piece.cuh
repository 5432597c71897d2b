// What narrow kernels fetch at once: VEC elements, of 16 bytes together or one.
#pragma once
#include "split.cuh"

static const int BK = 8;  // depth of a step

struct Piece {
    T item[VEC];
};

__device__ __forceinline__ Piece load_piece(const T* p) {
    Piece piece;
    if constexpr (VEC == 1) {
        piece.item[0] = *p;
    } else {
        *reinterpret_cast<uint4*>(&piece) = *reinterpret_cast<const uint4*>(p);
    }
    return piece;
}
