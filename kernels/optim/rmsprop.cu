/*
RMSprop, and with alpha = c = 1 Adagrad: one step of many tensors in one launch.

math:     g = (+-)g + decay*p + l1*sign(p); v = alpha*v + c*g^2; with an a: a = alpha*a + c*g;
          d = g/(sqrt(max(0, v - a^2)) + eps); with a b: d = b = momentum*b + d; p -= rate*d;
          where v would overflow, g is as large as v can take (square.cuh)
layout:   p, v, a, b, g of one tensor in one memory order, whichever it is; a and b may be null; skip one number: where it is
          not 0, nothing is done
threads:  table.cuh; a block owns 4096 neighbours of one tensor, 16 bytes a thread at once
shared:   0
flops:    17*L
bytes:    9*e*L
requires: 256 threads a block; every row has an element
numerics: ACC, each product and sum rounded, as NumPy does: its bits in float and double, but that -ftz flushes denormals
optional: skip fed
*/
#include "penalty.cuh"
#include "square.cuh"

struct Setting { ACC rate, alpha, c, eps, momentum, decay, l1; int maximize; };
struct Table {
    T* p[ROWS];
    T* v[ROWS];
    T* a[ROWS];
    T* b[ROWS];
    const T* g[ROWS];
    i64 size[ROWS];
    int first[ROWS];
    Setting setting[ROWS];
    int rows;
};

extern "C" __global__ void __launch_bounds__(256) rmsprop(
    const __grid_constant__ Table table, const float* skip, const Setting* fed)
{
    if (skip && *skip != 0) return;
    const Part part = find_part(table);
    const Setting s = fed ? fed[part.row] : table.setting[part.row];
    T* const array[] = {table.p[part.row], table.v[part.row], table.a[part.row], table.b[part.row],
                        const_cast<T*>(table.g[part.row])};
    const bool is_centred = array[2] != nullptr, has_momentum = array[3] != nullptr;
    update(array, part, [&](ACC (&x)[5]) {
        ACC &p = x[0], &v = x[1], &a = x[2], &b = x[3];
        v = times(v, s.alpha);
        const ACC g = add_square(v, penalised(x[4], p, s), s.c);
        ACC spread = v;
        if (is_centred) {
            a = times(a, s.alpha) + times(g, s.c);
            spread = v - times(a, a);
            if (spread < 0) spread = 0;  // by rounding, where all gradients were alike
        }
        ACC d = g / (sqrt(spread) + s.eps);
        if (has_momentum) {
            b = times(b, s.momentum) + d;
            d = b;
        }
        p -= times(d, s.rate);
    });
}
