/*
Adam and AdamW: one step of many tensors in one launch.

math:     p *= keep; g += decay*p + l1*sign(p); m = b1*m + c1*g; v = b2*v + c2*g^2; p -= rate*m/(sqrt(v)/root + eps)
          with c1 = 1 - b1, c2 = 1 - b2, rate = lr/(1 - b1^t), root = sqrt(1 - b2^t), keep = 1 - lr*decay of AdamW;
          where v would overflow, g is as large as v can take (square.cuh)
layout:   p, m, v, g of one tensor in one memory order, whichever it is; skip one number: where it is
          not 0, nothing is done
threads:  table.cuh; a block owns 4096 neighbours of one tensor, 16 bytes a thread at once
shared:   0
flops:    14*L
bytes:    7*e*L
requires: 256 threads a block; every row has an element
numerics: ACC, each product and sum rounded, as NumPy does: its bits in float and double, but that -ftz flushes denormals
optional: skip fed
*/
#include "penalty.cuh"
#include "square.cuh"

struct Setting { ACC keep, decay, l1, b1, c1, b2, c2, root, eps, rate; };
struct Table {
    T* p[ROWS];
    T* m[ROWS];
    T* v[ROWS];
    const T* g[ROWS];
    i64 size[ROWS];
    int first[ROWS];
    Setting setting[ROWS];
    int rows;
};

extern "C" __global__ void __launch_bounds__(256) adam(
    const __grid_constant__ Table table, const float* skip, const Setting* fed)
{
    if (skip && *skip != 0) return;
    const Part part = find_part(table);
    const Setting s = fed ? fed[part.row] : table.setting[part.row];
    T* const array[] = {table.p[part.row], table.m[part.row], table.v[part.row], const_cast<T*>(table.g[part.row])};
    update(array, part, [&](ACC (&x)[4]) {
        ACC &p = x[0], &m = x[1], &v = x[2];
        p = times(p, s.keep);
        v = times(v, s.b2);
        const ACC g = add_square(v, penalised(x[3], p, s), s.c2);
        m = times(m, s.b1) + times(g, s.c1);
        p -= times(m / (sqrt(v) / s.root + s.eps), s.rate);
    });
}
