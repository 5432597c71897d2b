/*
Exponential moving average of many tensors.

math:     m += share * (x - m), the share from `fed` where it is given
layout:   m, x of one tensor in one memory order, whichever it is; fed one number
threads:  table.cuh; a block owns 4096 neighbours of one tensor, 16 bytes a thread at once
shared:   0
flops:    3*L
bytes:    3*e*L
requires: 256 threads a block; every row has an element
numerics: ACC, each product and sum rounded, as NumPy does
optional: fed
*/
#include "table.cuh"

struct Table {
    T* m[ROWS];
    const T* x[ROWS];
    i64 size[ROWS];
    int first[ROWS];
    int rows;
};

extern "C" __global__ void __launch_bounds__(256) average(
    const __grid_constant__ Table table, ACC share, const double* fed)
{
    if (fed) share = *fed;
    const Part part = find_part(table);
    T* const array[] = {table.m[part.row], const_cast<T*>(table.x[part.row])};
    update(array, part, [&](ACC (&x)[2]) { x[0] += times(x[1] - x[0], share); });
}
