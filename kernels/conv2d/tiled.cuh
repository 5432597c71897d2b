// Implicit GEMM for forward and grad_input: rows are output pixels, columns output channels, depth input channels of one
// filter tap after the other. Both passes read a source of pixels (x or gy) and weights as (taps, depth, columns).
#pragma once
#include "tile.cuh"

static const int V = PackOf<T>::size, BK = 2 * V, LOADS = 2 * BM / THREADS;

struct Operands {
    const T* source;  // (N, SH, SW, SC), the group's first channel
    const T* weights;  // (taps, depth, columns), the group's first column; a tap is tap_step, a row row_step further
    int SH, SW, SC, depth, columns, tap_step, row_step;
};

// The shared memory of a block. a is stored transposed. A warp stores 16 pixels x 2 halves of the depth at once; flipping
// bit 4 of the pixel in the second half puts the two on different banks.
// The multiplication. a is stored transposed. A warp stores 16 pixels x 2 halves of the depth at once; flipping bit 4 of
// the pixel in the second half puts the two on different banks.
// Taps has: bool real() - is there a tap left; void next(); int number; int dh, dw - how far the tap is from h[l], w[l],
// the places of this thread's pixels in the source; sample[l] is their sample, below 0: no pixel.
template <typename Taps>
__device__ __forceinline__ void gemm(
    const Operands& o, Taps taps, const int (&sample)[LOADS], const int (&h)[LOADS], const int (&w)[LOADS],
    int first_column, Buffers<BK>& shared, const Corner& at, ACC (&sums)[8][8])
{
    const int half = threadIdx.x % 2;
    Pack<T> a[LOADS], b[LOADS];
    int c = 0;  // depth within the tap

    auto fetch = [&]() {
#pragma unroll
        for (int l = 0; l < LOADS; ++l) {
            const int y = h[l] + taps.dh, x = w[l] + taps.dw, channel = c + half * V;
            const bool inside = sample[l] >= 0 && within(y, o.SH) && within(x, o.SW);
            a[l] = Pack<T>{};
            if (inside && channel < o.depth) {
                a[l] = load_pack(o.source + (((i64)sample[l] * o.SH + y) * o.SW + x) * o.SC + channel);
            }
            const int item = threadIdx.x + l * THREADS, row = c + item / (BN / V), col = first_column + item % (BN / V) * V;
            b[l] = Pack<T>{};
            if (row < o.depth && col < o.columns) {
                b[l] = load_pack(o.weights + (i64)taps.number * o.tap_step + row * o.row_step + col);
            }
        }
    };
    auto keep = [&](int buffer) {
#pragma unroll
        for (int l = 0; l < LOADS; ++l) {
            const int item = threadIdx.x + l * THREADS, pixel = (item / 2) ^ (half * 16);
#pragma unroll
            for (int j = 0; j < V; ++j) shared.a[buffer][half * V + j][pixel] = load(&a[l].item[j]);
            const int row = item / (BN / V), col = item % (BN / V) * V;
            widen(&shared.b[buffer][row][col], b[l]);
        }
    };

    if (!taps.real()) return;
    fetch();
    keep(0);
    __syncthreads();
    for (int buffer = 0;; buffer ^= 1) {
        c += BK;
        if (c >= o.depth) c = 0, taps.next();
        const bool more = taps.real();
        if (more) fetch();
        multiply<BK, V>(shared.a[buffer], shared.b[buffer], at, sums);
        if (!more) break;
        keep(buffer ^ 1);
        __syncthreads();
    }
}
