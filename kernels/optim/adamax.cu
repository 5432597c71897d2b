/*
Adamax: one step of many tensors in one launch.

math:     g = (+-)g + decay*p + l1*sign(p); m = b1*m + c1*g with c1 = 1 - b1; u = max(b2*u, |g| + eps), NaN if either is;
          p -= rate*m/u with rate = lr/(1 - b1^t)
layout:   p, m, u, g of one tensor in one memory order, whichever it is; skip one number: where it is
          not 0, nothing is done
threads:  table.cuh; a block owns 4096 neighbours of one tensor, 16 bytes a thread at once
shared:   0
flops:    12*L
bytes:    7*e*L
requires: 256 threads a block; every row has an element
numerics: ACC, each product and sum rounded, as NumPy does: its bits in float and double, but that -ftz flushes denormals
optional: skip fed
*/
#include "penalty.cuh"

struct Setting { ACC rate, b1, c1, b2, eps, decay, l1; int maximize; };
struct Table {
    T* p[ROWS];
    T* m[ROWS];
    T* u[ROWS];
    const T* g[ROWS];
    i64 size[ROWS];
    int first[ROWS];
    Setting setting[ROWS];
    int rows;
};

extern "C" __global__ void __launch_bounds__(256) adamax(
    const __grid_constant__ Table table, const float* skip, const Setting* fed)
{
    if (skip && *skip != 0) return;
    const Part part = find_part(table);
    const Setting s = fed ? fed[part.row] : table.setting[part.row];
    T* const array[] = {table.p[part.row], table.m[part.row], table.u[part.row], const_cast<T*>(table.g[part.row])};
    update(array, part, [&](ACC (&x)[4]) {
        ACC &p = x[0], &m = x[1], &u = x[2];
        const ACC g = penalised(x[3], p, s), size = fabs(g) + s.eps;
        m = times(m, s.b1) + times(g, s.c1);
        u = times(u, s.b2);
        if (size > u || size != size) u = size;
        p -= times(m / u, s.rate);
    });
}
