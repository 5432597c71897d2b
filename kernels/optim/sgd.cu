/*
Stochastic gradient descent with momentum: one step of many tensors in one launch.

math:     d = (+-)g + decay*p + l1*sign(p); b = momentum*b + share*d; p -= rate*(b, or d + momentum*b with nesterov),
          or without a b: p -= rate*d
layout:   p, b, g of one tensor in one memory order, whichever it is; b may be null; skip one number: where it is
          not 0, nothing is done
threads:  table.cuh; a block owns 4096 neighbours of one tensor, 16 bytes a thread at once
shared:   0
flops:    8*L
bytes:    5*e*L
requires: 256 threads a block; every row has an element
numerics: ACC, each product and sum rounded, as NumPy does: its bits in float and double, but that -ftz flushes denormals
optional: skip fed
*/
#include "penalty.cuh"

struct Setting { ACC rate, momentum, share, decay, l1; int nesterov, maximize; };
struct Table {
    T* p[ROWS];
    T* b[ROWS];
    const T* g[ROWS];
    i64 size[ROWS];
    int first[ROWS];
    Setting setting[ROWS];
    int rows;
};

extern "C" __global__ void __launch_bounds__(256) sgd(
    const __grid_constant__ Table table, const float* skip, const Setting* fed)
{
    if (skip && *skip != 0) return;
    const Part part = find_part(table);
    const Setting s = fed ? fed[part.row] : table.setting[part.row];
    T* const array[] = {table.p[part.row], table.b[part.row], const_cast<T*>(table.g[part.row])};
    const bool has_momentum = array[1] != nullptr;
    update(array, part, [&](ACC (&x)[3]) {
        ACC &p = x[0], &b = x[1];
        ACC d = penalised(x[2], p, s);
        if (has_momentum) {
            b = times(b, s.momentum) + times(d, s.share);
            d = s.nesterov ? d + times(b, s.momentum) : b;
        }
        p -= times(d, s.rate);
    });
}
