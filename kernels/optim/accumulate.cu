/*
Sums of gradients over several batches, and their mean.

math:     s = (s + weight * g) / divisor; a fresh s counts as 0, whatever it holds
layout:   s, g of one tensor in one memory order, whichever it is; g may be null
threads:  table.cuh; a block owns 4096 neighbours of one tensor, 16 bytes a thread at once
shared:   0
flops:    3*L
bytes:    3*e*L
requires: 256 threads a block; every row has an element
numerics: ACC, each product and sum rounded, as NumPy does; dividing by 1 changes nothing
*/
#include "table.cuh"

struct Setting { ACC weight, divisor; int fresh; };
struct Table {
    T* s[ROWS];
    const T* g[ROWS];
    i64 size[ROWS];
    int first[ROWS];
    Setting setting[ROWS];
    int rows;
};

extern "C" __global__ void __launch_bounds__(256) accumulate(const __grid_constant__ Table table) {
    const Part part = find_part(table);
    const Setting s = table.setting[part.row];
    T* const array[] = {table.s[part.row], const_cast<T*>(table.g[part.row])};
    const bool has_gradient = array[1] != nullptr;
    update(array, part, [&](ACC (&x)[2]) {
        ACC sum = s.fresh ? (ACC)0 : x[0];
        if (has_gradient) sum += times(x[1], s.weight);
        x[0] = sum / s.divisor;
    });
}
