/*
Gradient clipping by value: limits every element of many tensors.

math:     g = max(-limit, min(limit, g)); NaN stays NaN
layout:   g in any memory order
threads:  table.cuh; a block owns 4096 neighbours of one tensor, 16 bytes a thread at once
shared:   0
flops:    2*L
bytes:    2*e*L
requires: 256 threads a block; every row has an element
numerics: exact
*/
#include "table.cuh"

struct Table {
    T* g[ROWS];
    i64 size[ROWS];
    int first[ROWS];
    int rows;
};

extern "C" __global__ void __launch_bounds__(256) clamp(const __grid_constant__ Table table, ACC limit) {
    const Part part = find_part(table);
    T* const array[] = {table.g[part.row], nullptr};
    update(array, part, [&](ACC (&x)[2]) { x[0] = x[0] < -limit ? -limit : x[0] > limit ? limit : x[0]; });
}
