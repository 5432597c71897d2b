/*
Gradients of a loss that was scaled, made those of the loss itself, and whether all of them are finite.

math:     g = g / state[0], the loss's scale, a power of two; state[3] = 1 where some g is infinite or NaN
layout:   g in any memory order; state 4 numbers, of LossScale
threads:  table.cuh; a block owns 4096 neighbours of one tensor, 16 bytes a thread at once
shared:   0
flops:    2*L
bytes:    2*e*L
requires: 256 threads a block; every row has an element
numerics: ACC; exact but for what becomes too small
*/
#include "table.cuh"

struct Table {
    T* g[ROWS];
    i64 size[ROWS];
    int first[ROWS];
    int rows;
};

extern "C" __global__ void __launch_bounds__(256) unscale(const __grid_constant__ Table table, float* state) {
    const Part part = find_part(table);
    const ACC factor = (ACC)1 / (ACC)state[0];
    T* const array[] = {table.g[part.row], nullptr};
    bool strange = false;
    update(array, part, [&](ACC (&x)[2]) {
        x[0] = times(x[0], factor);
        strange = strange || !(x[0] - x[0] == 0);
    });
    if (strange) atomicExch(state + 3, 1.0f);
}
