// Implicit GEMM that fetches element by element: for first layers (few channels) and for channel counts that 16-byte
// accesses cannot take. The depth runs over (r,s,c) as one axis, so that 3 channels waste no part of a step.
#pragma once
#include "tile.cuh"

static const int BK = 8, LOADS = BK * BM / THREADS, STEP = THREADS / BM;

struct Operands {
    const T* source;  // (N, SH, SW, SC), the group's first channel
    const T* weights;  // (R*S, depth, columns), the group's first column; a tap is tap_step, a row row_step further
    int SH, SW, SC, depth, columns, taps, S, tap_step, row_step;
};

// place(r, s, y, x) says where tap (r,s) of this thread's pixel lies in the source (any y, x outside it: nowhere).
template <typename Place>
__device__ __forceinline__ void gemm(
    const Operands& o, const Place& place, i64 image, int first_column, Buffers<BK>& shared, const Corner& at,
    ACC (&sums)[8][8])
{
    const int lane = threadIdx.x % BM, first = threadIdx.x / BM, D = o.taps * o.depth;
    const Divider by_depth(o.depth), by_S(o.S);
    T a[LOADS], b[LOADS];

    auto fetch = [&](int d0) {
#pragma unroll
        for (int l = 0; l < LOADS; ++l) {
            const int d = d0 + first + l * STEP;
            unsigned c = d, tap = by_depth.split(c), s = tap, r = by_S.split(s);
            int y = -1, x = -1;
            place((int)r, (int)s, y, x);
            a[l] = b[l] = T{};
            if (d >= D) continue;
            if (image >= 0 && within(y, o.SH) && within(x, o.SW)) {
                a[l] = o.source[image + (y * o.SW + x) * o.SC + (int)c];
            }
            if (first_column + lane < o.columns) {
                b[l] = o.weights[(i64)tap * o.tap_step + (int)c * o.row_step + first_column + lane];
            }
        }
    };
    auto keep = [&](int buffer) {
#pragma unroll
        for (int l = 0; l < LOADS; ++l) {
            shared.a[buffer][first + l * STEP][lane] = load(&a[l]);
            shared.b[buffer][first + l * STEP][lane] = load(&b[l]);
        }
    };

    fetch(0);
    keep(0);
    __syncthreads();
    int buffer = 0;
    for (int d = BK; d < D; d += BK, buffer ^= 1) {
        fetch(d);
        multiply<BK, 0>(shared.a[buffer], shared.b[buffer], at, sums);
        keep(buffer ^ 1);
        __syncthreads();
    }
    multiply<BK, 0>(shared.a[buffer], shared.b[buffer], at, sums);
}
