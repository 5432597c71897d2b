// Rows of scores: where a team's lie, and a score beside its row's largest.
#pragma once
#include "row.cuh"

// The rows of a team of the matrix (M/L, C, L), each C elements that lie L apart.
struct Scores {
    i64 start, step;  // the first element, elements from a pack to the next
    int packs;        // of each thread's rows; 0 where there is none

    __device__ __forceinline__ Scores(const Team& own, i64 M, int C, i64 L) {
        if (ACROSS) {
            const i64 wide = L / VEC, blocks = (wide + own.count - 1) / own.count, outer = blockIdx.x / blocks;
            const i64 column = (blockIdx.x - outer * blocks) * own.count + own.index;
            const bool real = column < wide;
            start = real ? outer * C * L + column * VEC : 0;
            step = L, packs = real ? C : 0;
        } else {
            const i64 row = (i64)blockIdx.x * own.count + own.index;
            start = row < M ? row * C : 0;
            step = VEC, packs = row < M ? C / VEC : 0;
        }
    }
};

__device__ __forceinline__ ACC least() { return -(ACC)__uint_as_float(0x7f800000u); }

// A score less the largest of its row; beside infinite ones the limit: what is +inf shares everything.
__device__ __forceinline__ ACC below(ACC score, ACC peak) {
    return score == peak && peak > 0 && isinf(peak) ? (ACC)0 : score - (peak == least() ? (ACC)0 : peak);
}
