/*
Averaged stochastic gradient descent: one step of many tensors in one launch.

math:     g = (+-)g + decay*p + l1*sign(p); p = keep*p - rate*g with keep = 1 - lambd*rate; a += share*(p - a), p itself where
          share = 1
layout:   p, a, g of one tensor in one memory order, whichever it is; skip one number: where it is
          not 0, nothing is done
threads:  table.cuh; a block owns 4096 neighbours of one tensor, 16 bytes a thread at once
shared:   0
flops:    9*L
bytes:    5*e*L
requires: 256 threads a block; every row has an element
numerics: ACC, each product and sum rounded, as NumPy does: its bits in float and double, but that -ftz flushes denormals
optional: skip fed
*/
#include "penalty.cuh"

struct Setting { ACC keep, rate, share, decay, l1; int maximize; };
struct Table {
    T* p[ROWS];
    T* a[ROWS];
    const T* g[ROWS];
    i64 size[ROWS];
    int first[ROWS];
    Setting setting[ROWS];
    int rows;
};

extern "C" __global__ void __launch_bounds__(256) asgd(
    const __grid_constant__ Table table, const float* skip, const Setting* fed)
{
    if (skip && *skip != 0) return;
    const Part part = find_part(table);
    const Setting s = fed ? fed[part.row] : table.setting[part.row];
    T* const array[] = {table.p[part.row], table.a[part.row], const_cast<T*>(table.g[part.row])};
    update(array, part, [&](ACC (&x)[3]) {
        ACC &p = x[0], &a = x[1];
        const ACC g = penalised(x[2], p, s);
        p = times(p, s.keep);
        p -= times(g, s.rate);
        a = s.share == 1 ? p : a + times(p - a, s.share);
    });
}
