// Implicit GEMM for forward and grad_input: rows are output pixels, columns output channels, depth input channels of one
// filter tap after the other. Forward reads x and the filters along their channels (depth), grad_input reads gy, and the
// filters along their channels (columns).
#pragma once
#include "tile.cuh"

static const int V = PackOf<T>::size, BK = 2 * V, LOADS = 2 * BM / THREADS;

struct Operands {
    const T* source;  // (N, SH, SW, SC), the group's first channel
    const T* weight;  // (filters, taps, channels) of the group
    int SH, SW, SC, depth, columns, taps, channels;
};

// Packs of depth are stored transposed. A warp stores 16 pixels (or filters) x 2 halves of the depth at once: bit 4 of the
// pixel flipped in the second half, the two meet on no bank.
struct Halves {
    static __device__ __forceinline__ int turn(int k) { return k / V * 16; }
};

__device__ __forceinline__ void store_transposed(ACC* to, const Pack<T>& pack, int stride) {
#pragma unroll
    for (int j = 0; j < V; ++j) to[j * stride] = load(&pack.item[j]);
}

// Where this thread's l-th pack of the weights belongs: depth and column of the tile.
template <bool DEEP> struct Spot {
    int depth, column;
    __device__ __forceinline__ explicit Spot(int l) {
        const int item = threadIdx.x + l * THREADS;
        depth = DEEP ? item % 2 * V : item / (BN / V);
        column = DEEP ? item / 2 : item % (BN / V) * V;
    }
};

// The multiplication. DEEP: the depth is a filter's channels (forward), else the filters themselves (grad_input).
// Taps has: bool real() - is there a tap left; void next(); int number; int dh, dw - how far the tap is from h[l], w[l],
// the places of this thread's pixels in the source; sample[l] is their sample, below 0: no pixel.
template <bool DEEP, typename Taps>
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
            a[l] = b[l] = Pack<T>{};
            if (sample[l] >= 0 && within(y, o.SH) && within(x, o.SW) && channel < o.depth) {
                a[l] = load_pack(o.source + (((i64)sample[l] * o.SH + y) * o.SW + x) * o.SC + channel);
            }
            const Spot<DEEP> spot(l);
            const int depth = c + spot.depth, column = first_column + spot.column;
            if (depth >= o.depth || column >= o.columns) continue;
            const int filter = DEEP ? column : depth, of_filter = DEEP ? depth : column;
            b[l] = load_pack(o.weight + (filter * o.taps + taps.number) * o.channels + of_filter);
        }
    };
    auto keep = [&](int buffer) {
#pragma unroll
        for (int l = 0; l < LOADS; ++l) {
            const int pixel = (threadIdx.x + l * THREADS) / 2 ^ half * 16;
            store_transposed(&shared.a[buffer][half * V][pixel], a[l], BM);
            const Spot<DEEP> spot(l);
            if constexpr (DEEP) {
                store_transposed(&shared.b[buffer][spot.depth][spot.column ^ half * 16], b[l], BN);
            } else {
                widen(&shared.b[buffer][spot.depth][spot.column], b[l]);
            }
        }
    };
    auto combine = [&](int buffer) {
        if constexpr (DEEP) multiply<Halves, Halves>(shared.a[buffer], shared.b[buffer], at, sums);
        else multiply<Halves, Straight>(shared.a[buffer], shared.b[buffer], at, sums);
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
        combine(buffer);
        if (!more) break;
        keep(buffer ^ 1);
        __syncthreads();
    }
}
