/*
Sums of gradients over several batches, and their mean.

math:     s = (s + weight * g) / divisor; a fresh s counts as 0, whatever it holds; a count on the device is another factor
          of the weight, and where there is no g it is the divisor, 1 if it is 0
layout:   s, g of one tensor in one memory order, whichever it is; g may be null; count one number
threads:  table.cuh; a block owns 4096 neighbours of one tensor, 16 bytes a thread at once
shared:   0
flops:    3*L
bytes:    3*e*L
requires: 256 threads a block; every row has an element
numerics: ACC, each product and sum rounded, as NumPy does; dividing by 1 changes nothing
optional: count
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

extern "C" __global__ void __launch_bounds__(256) accumulate(const __grid_constant__ Table table, const ACC* count) {
    const Part part = find_part(table);
    const Setting s = table.setting[part.row];
    T* const array[] = {table.s[part.row], const_cast<T*>(table.g[part.row])};
    const bool has_gradient = array[1] != nullptr;
    const ACC weight = count ? times(s.weight, *count) : s.weight;
    const ACC divisor = has_gradient || !count ? s.divisor : *count == 0 ? (ACC)1 : *count;
    update(array, part, [&](ACC (&x)[2]) {
        ACC sum = s.fresh ? (ACC)0 : x[0];
        if (has_gradient && weight != 0) sum += times(x[1], weight);
        x[0] = sum / divisor;
    });
}
