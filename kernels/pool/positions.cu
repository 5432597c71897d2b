/*
Places in the input's plane as positions in their windows, which is what the kernels backward read: the way back from places.

math:     index = (a*R + r)*S + s of the position in the window of (o,p,q) whose place = (d*H + h)*W + w is; all ones, which no
          position is, where place is -1, and where it is outside of the window or the input, which is noted in state
layout:   place and index (N,C,O,P,Q), both channels-last (NHWC=1) or both row-major (NHWC=0); parts (J), J = gridDim.x;
          state (5): see note.cuh; fed: the serial number, where it is given
threads:  a thread has four outputs, a block's width apart; the last block looks for the first wrong place
shared:   256*8 + 1
flops:    9*N*C*O*P*Q
bytes:    (I + 8)*N*C*O*P*Q
requires: 256 threads a block; one sample of the input below 2^31 elements; VEC = 1; fewer positions than INDEX has values;
          state's ticket 0, and no other launch on it at once
numerics: integers
optional: fed
*/
#include "places.cuh"
#include "note.cuh"

static const int EACH = 4;

extern "C" __global__ void __launch_bounds__(256) pool_positions(
    const PLACE* place, INDEX* index, i64* parts, i64* state, Places g, i64 serial, i64 call, const i64* fed)
{
    const i64 first = (i64)blockIdx.x * blockDim.x * EACH + threadIdx.x;
    const int M = g.O * g.P * g.Q;
    i64 wrong = NONE;
    for (int e = 0; e < EACH; ++e) {
        const Spot at(first + e * blockDim.x, g, g.O, g.P, g.Q);
        if (!at.real) break;

        // seek
        const i64 where = place[at.own];
        const bool inside = where >= 0 && where < (i64)g.D * g.H * g.W;
        const int row = inside ? (int)where / g.W : 0, w = inside ? (int)where - row * g.W : 0;
        const int d = row / g.H, h = row - d * g.H;

        // combine: which tap lies there, or -1
        const int a = met(d - g.slice(at.d), g.dil_d, g.slices(at.d)), r = met(h - g.row(at.h), g.dil_h, g.rows(at.h));
        const int s = met(w - g.column(at.w), g.dil_w, g.columns(at.w));
        const bool found = inside && a >= 0 && r >= 0 && s >= 0;
        if (!found && where != -1) wrong = earlier(wrong, row_of(at.own, g.C, M));

        // write
        index[at.own] = found ? (a * g.R + r) * g.S + s : -1;
    }
    note<256>(wrong, place, parts, state, g.C, M, serial, call, fed);
}
