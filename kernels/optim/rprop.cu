/*
Resilient backpropagation: one step of many tensors in one launch.

math:     g = (+-)g; s *= plus where g*b > 0, minus where g*b < 0, then least <= s <= most; b = g, but 0 where g*b < 0;
          p -= s*sign(b); a NaN of g or b makes s and p NaN
layout:   p, b, s, g of one tensor in one memory order, whichever it is; skip one number: where it is
          not 0, nothing is done
threads:  table.cuh; a block owns 4096 neighbours of one tensor, 16 bytes a thread at once
shared:   0
flops:    8*L
bytes:    7*e*L
requires: 256 threads a block; every row has an element
numerics: ACC, each product and sum rounded, as NumPy does: its bits in float and double, but that -ftz flushes denormals
optional: skip fed
*/
#include "table.cuh"

struct Setting { ACC minus, plus, least, most; int maximize; };
struct Table {
    T* p[ROWS];
    T* b[ROWS];
    T* s[ROWS];
    const T* g[ROWS];
    i64 size[ROWS];
    int first[ROWS];
    Setting setting[ROWS];
    int rows;
};

extern "C" __global__ void __launch_bounds__(256) rprop(
    const __grid_constant__ Table table, const float* skip, const Setting* fed)
{
    if (skip && *skip != 0) return;
    const Part part = find_part(table);
    const Setting s = fed ? fed[part.row] : table.setting[part.row];
    T* const array[] = {table.p[part.row], table.b[part.row], table.s[part.row], const_cast<T*>(table.g[part.row])};
    update(array, part, [&](ACC (&x)[4]) {
        ACC &p = x[0], &b = x[1], &size = x[2];
        const ACC g = s.maximize ? -x[3] : x[3];
        const ACC turn = times(sign(g), sign(b));  // their product may be too small for a float
        size = times(size, turn > 0 ? s.plus : turn < 0 ? s.minus : turn + 1);  // NaN stays NaN
        size = size < s.least ? s.least : size > s.most ? s.most : size;
        b = turn < 0 ? (ACC)0 : g;
        p -= times(sign(b), size);
    });
}
