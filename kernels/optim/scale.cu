/*
Gradient clipping by the norm: scales many tensors so that their common norm is at most a limit.

math:     g *= min(1, limit / (norm + 1e-6)); NaN and infinite norms give NaN and zeros
layout:   g in any memory order, norm one number
threads:  table.cuh; a block owns 4096 neighbours of one tensor, 16 bytes a thread at once
shared:   0
flops:    L
bytes:    2*e*L
requires: 256 threads a block; every row has an element
numerics: ACC; a factor of 1 writes nothing
*/
#include "table.cuh"

struct Table {
    T* g[ROWS];
    i64 size[ROWS];
    int first[ROWS];
    int rows;
};

extern "C" __global__ void __launch_bounds__(256) scale(
    const __grid_constant__ Table table, const ACC* norm, ACC limit)
{
    const ACC size = *norm + (ACC)1e-6, wanted = limit / size;
    if (wanted >= 1) return;
    // A factor that might be flushed to 0 is applied in two steps, of which the second is 2^-60.
    const bool is_tiny = wanted < (ACC)1e-30;
    const ACC last = is_tiny ? (ACC)8.673617379884035e-19 : (ACC)1;
    const ACC factor = is_tiny ? limit / (size * last) : wanted;
    const Part part = find_part(table);
    T* const array[] = {table.g[part.row], nullptr};
    update(array, part, [&](ACC (&x)[2]) { x[0] = times(times(x[0], factor), last); });
}
