/*
The winners of a max pooling as positions of the input's plane, for whoever asks for them.

math:     place = (d*H + h)*W + w of the position that index names in the window of (o,p,q); -1 outside of the input
layout:   index and place (N,C,O,P,Q), both channels-last (NHWC=1) or both row-major (NHWC=0)
threads:  a thread owns one output
shared:   0
flops:    6*N*C*O*P*Q
bytes:    (I + 8)*N*C*O*P*Q
requires: one sample of the input below 2^31 elements; VEC = 1
numerics: integers
*/
#include "places.cuh"

extern "C" __global__ void pool_places(const INDEX* index, i64* place, Places g)
{
    const Spot at(thread_index(), g, g.O, g.P, g.Q);
    if (!at.real) return;
    const int winner = index[at.own], a = winner / (g.R * g.S), r = winner / g.S % g.R, s = winner % g.S;
    const int d = g.slice(at.d) + a * g.dil_d, h = g.row(at.h) + r * g.dil_h, w = g.column(at.w) + s * g.dil_w;
    const bool inside = within(d, g.D) && within(h, g.H) && within(w, g.W);
    place[at.own] = inside ? (d * g.H + h) * g.W + w : -1;
}
