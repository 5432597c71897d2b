// One product c = a b of a launch, and what is done to a as it is read and to c before it is written.
#pragma once
#include "../elementwise/epilogue.cuh"

struct Product {
    int M, N, K;           // c is (M,N), a (M,K), b (K,N), each of them with batches in front
    int ones;              // 1: b has one more column, of ones, whose sums go to a vector of their own
    int deep_a, deep_b;    // 1: neighbours in memory are neighbours of the depth K, else of M or N
    int pitch_a, pitch_b;  // elements from one of memory's rows to the next
    int batches, inner;    // how many products there are; b = outer*inner + i is their number
    int outer_a, inner_a, outer_b, inner_b;  // elements from one batch to the next
    int parts, each;       // the depth is split into so many parts of so much
    __device__ __forceinline__ int columns() const { return N + ones; }
    __device__ __forceinline__ int tiles(int rows, int cols) const {
        return ceil_div(M, rows) * ceil_div(columns(), cols) * batches;
    }
};

const int GROUP = 8;  // rows of tiles that follow each other column by column, so that what they read stays in the L2 cache

// Which tile of rows x columns, which batch and part of the depth a block of a product's takes.
struct Place {
    int tile, part, batch, row, column, depth;
    __device__ __forceinline__ Place(const Product& g, int block, int rows, int columns) {
        const int tiles = g.tiles(rows, columns), across = ceil_div(g.columns(), columns), down = ceil_div(g.M, rows);
        part = block / tiles, tile = block % tiles, batch = tile / (across * down), depth = part * g.each;
        const int of_batch = tile % (across * down), top = of_batch / (GROUP * across) * GROUP;
        const int high = smaller(GROUP, down - top), of_group = of_batch - top * across;
        row = (top + of_group % high) * rows, column = of_group / high * columns;
    }
    __device__ __forceinline__ i64 before(const Product& g, int outer, int inner) const {
        return (i64)(batch / g.inner) * outer + (i64)(batch % g.inner) * inner;
    }
    __device__ __forceinline__ i64 before_a(const Product& g) const { return before(g, g.outer_a, g.inner_a); }
    __device__ __forceinline__ i64 before_b(const Product& g) const { return before(g, g.outer_b, g.inner_b); }
};
