/*
Adadelta: one step of many tensors in one launch.

math:     g = (+-)g + decay*p + l1*sign(p); v = rho*v + c*g^2 with c = 1 - rho; d = g*sqrt(a + eps)/sqrt(v + eps);
          a = rho*a + c*d^2; p -= rate*d; where v would overflow, g is as large as v can take (square.cuh)
layout:   p, v, a, g of one tensor in one memory order, whichever it is; skip one number: where it is
          not 0, nothing is done
threads:  table.cuh; a block owns 4096 neighbours of one tensor, 16 bytes a thread at once
shared:   0
flops:    16*L
bytes:    7*e*L
requires: 256 threads a block; every row has an element
numerics: ACC, each product and sum rounded, as NumPy does: its bits in float and double, but that -ftz flushes denormals
optional: skip fed
*/
#include "penalty.cuh"
#include "square.cuh"

struct Setting { ACC rate, rho, c, eps, decay, l1; int maximize; };
struct Table {
    T* p[ROWS];
    T* v[ROWS];
    T* a[ROWS];
    const T* g[ROWS];
    i64 size[ROWS];
    int first[ROWS];
    Setting setting[ROWS];
    int rows;
};

extern "C" __global__ void __launch_bounds__(256) adadelta(
    const __grid_constant__ Table table, const float* skip, const Setting* fed)
{
    if (skip && *skip != 0) return;
    const Part part = find_part(table);
    const Setting s = fed ? fed[part.row] : table.setting[part.row];
    T* const array[] = {table.p[part.row], table.v[part.row], table.a[part.row], const_cast<T*>(table.g[part.row])};
    update(array, part, [&](ACC (&x)[4]) {
        ACC &p = x[0], &v = x[1], &a = x[2];
        v = times(v, s.rho);
        const ACC g = add_square(v, penalised(x[3], p, s), s.c);
        const ACC d = times(g / sqrt(v + s.eps), sqrt(a + s.eps));
        a = times(a, s.rho) + times(times(d, d), s.c);
        p -= times(d, s.rate);
    });
}
