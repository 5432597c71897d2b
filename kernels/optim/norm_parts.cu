/*
Norm of many tensors taken as one vector, first half: each block joins the terms of its part.

math:     parts[j] = unit, sum of (|g| * unit)^order over the elements of block j, or their maximum where order is infinite
layout:   g in any memory order, parts (J,2): a unit of 1 over the power of two below the largest |g|, and the sum
threads:  table.cuh; a block owns 4096 neighbours of one tensor, 16 bytes a thread at once
shared:   512*max(e,4)
flops:    4*L
bytes:    e*L + 2*max(e,4)*J
requires: 256 threads a block; every row has an element; order > 0; `base` blocks in the tables before this one
numerics: ACC, a thread's terms in memory order, then a tree: the same bits at every run
*/
#include "norm.cuh"
#include "table.cuh"

struct Table {
    const T* g[ROWS];
    i64 size[ROWS];
    int first[ROWS];
    int rows, base;
};

extern "C" __global__ void __launch_bounds__(256) norm_parts(
    const __grid_constant__ Table table, ACC* parts, ACC order)
{
    const Part part = find_part(table);
    T* const array[] = {const_cast<T*>(table.g[part.row])};
    Sum sum = norm_start(order);
    update(array, part, [&](ACC (&x)[1]) { norm_add(sum, x[0], order); });
    sum = norm_block(sum, order);
    const int j = table.base + blockIdx.x;
    if (threadIdx.x == 0) parts[2 * (i64)j] = sum.unit, parts[2 * (i64)j + 1] = sum.sum;
}
