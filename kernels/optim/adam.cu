/*
Adam, AdamW, NAdam, RAdam, and AMSGrad of the first two: one step of many tensors in one launch.

math:     p *= keep; g = (+-)g + decay*p + l1*sign(p); m = b1*m + c1*g; v = b2*v + c2*g^2; with an x: v of the next is
          x = max(x, v); p -= rate*m/(sqrt(v)/root + eps), where ahead is not 0 with share*m + ahead*g for m,
          with c1 = 1 - b1, c2 = 1 - b2; Adam has rate = lr/(1 - b1^t), root = sqrt(1 - b2^t), ahead = 0, AdamW also
          keep = 1 - lr*decay; where v would overflow, g is as large as v can take (square.cuh)
layout:   p, m, v, x, g of one tensor in one memory order, whichever it is; x may be null; skip one number: where it is
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

struct Setting { ACC keep, decay, l1, b1, c1, b2, c2, root, eps, rate, share, ahead; int maximize; };
struct Table {
    T* p[ROWS];
    T* m[ROWS];
    T* v[ROWS];
    T* x[ROWS];
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
    T* const array[] = {table.p[part.row], table.m[part.row], table.v[part.row], table.x[part.row],
                        const_cast<T*>(table.g[part.row])};
    const bool has_peak = array[3] != nullptr;
    update(array, part, [&](ACC (&y)[5]) {
        ACC &p = y[0], &m = y[1], &v = y[2], &x = y[3];
        p = times(p, s.keep);
        v = times(v, s.b2);
        const ACC g = add_square(v, penalised(y[4], p, s), s.c2);
        m = times(m, s.b1) + times(g, s.c1);
        if (has_peak && (v > x || v != v)) x = v;
        const ACC size = sqrt(has_peak ? x : v) / s.root + s.eps;
        p -= times((s.ahead != 0 ? times(m, s.share) + times(g, s.ahead) : m) / size, s.rate);
    });
}
