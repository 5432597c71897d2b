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

// n, from its own lane: what comes out of a shuffle stays in its register, where the compiler would find a cheap number of a
// thread anew at every step.
__device__ __forceinline__ int held(int n) { return __shfl_sync(0xffffffffu, n, threadIdx.x % 32); }

// The multiplication. DEEP: the depth is a filter's channels (forward), else the filters themselves (grad_input).
// Taps has: bool real() - is there a tap left; void next(); int number; int dh, dw - how far the tap is from h[l], w[l],
// the places of this thread's pixels in the source; sample[l] is their sample, below 0: no pixel.
// What changes with the tap alone is found when it does: the steps within a tap only move on.
template <bool DEEP, typename Taps>
__device__ __forceinline__ void gemm(
    const Operands& o, Taps taps, const int (&sample)[LOADS], const int (&h)[LOADS], const int (&w)[LOADS],
    int first_column, Buffers<BK>& shared, const Corner& corner, ACC (&sums)[TM][TN])
{
    Corner at;
    at.row = held(corner.row), at.col = held(corner.col);
    const int half = held(threadIdx.x % 2), place = held(threadIdx.x / 2 ^ half * 16);  // of the first pack, turned
    const int deeper = DEEP ? 1 : o.taps * o.channels;  // in the weights, from one depth to the next
    const T *pixel[LOADS], *weight[LOADS];  // what is fetched next
    int row[LOADS];  // h, or what no tap brings inside
    bool here[LOADS];
    Pack<T> a[LOADS], b[LOADS];
    int left = o.depth, buffer = 0;  // depth left of the tap
#pragma unroll
    for (int l = 0; l < LOADS; ++l) {
        row[l] = sample[l] < 0 ? -(1 << 30) : h[l];
        pixel[l] = o.source + (((i64)sample[l] * o.SH + h[l]) * o.SW + w[l]) * o.SC + half * V;
        const Spot<DEEP> spot(l);
        // Columns past the last are nobody's: they multiply the last one's weights.
        const int column = smaller(first_column + spot.column, o.columns - (DEEP ? 1 : V));
        weight[l] = o.weight + (i64)column * (DEEP ? o.taps * o.channels : 1) + (i64)spot.depth * deeper;
    }

    auto move = [&](i64 in_source, int in_weights) {
#pragma unroll
        for (int l = 0; l < LOADS; ++l) pixel[l] += in_source, weight[l] += in_weights;
    };
    auto fetch = [&]() {
        const bool inside = half * V < left;
#pragma unroll
        for (int l = 0; l < LOADS; ++l) {
            a[l] = b[l] = Pack<T>{};
            if (here[l] && inside) a[l] = load_pack(pixel[l]);
            if (DEEP ? inside : Spot<DEEP>(l).depth < left) b[l] = load_pack(weight[l]);
        }
    };
    auto keep = [&]() {
#pragma unroll
        for (int l = 0; l < LOADS; ++l) {  // two are 32 apart, which no turn changes
            store_transposed(&shared.a[buffer][half * V][place + l * THREADS / 2], a[l], BM);
            if constexpr (DEEP) {
                store_transposed(&shared.b[buffer][half * V][place + l * THREADS / 2], b[l], BN);
            } else {
                const Spot<DEEP> spot(l);
                widen(&shared.b[buffer][spot.depth][spot.column], b[l]);
            }
        }
        __syncthreads();
    };
    auto combine = [&]() {
        if constexpr (DEEP) multiply<Halves, Halves>(shared.a[buffer], shared.b[buffer], at, sums);
        else multiply<Halves, Straight>(shared.a[buffer], shared.b[buffer], at, sums);
    };
    auto step = [&]() {  // the fetch is on its way while the step before is multiplied
        fetch();
        combine();
        buffer ^= 1;
        keep();
    };
    i64 source = 0;
    int weights = 0;  // how far both are
    auto meet = [&]() {
        const i64 to_source = ((i64)taps.dh * o.SW + taps.dw) * o.SC;
        const int to_weights = taps.number * o.channels;
        move(to_source - source, to_weights - weights);
        source = to_source, weights = to_weights, left = o.depth;
#pragma unroll
        for (int l = 0; l < LOADS; ++l) {
            here[l] = within(row[l] + taps.dh, o.SH) && within(w[l] + taps.dw, o.SW);
        }
    };

    if (!taps.real()) return;
    meet();
    fetch();
    keep();
    for (;;) {
        for (left -= BK; left > 0; left -= BK) {
            move(BK, BK * deeper);
            step();
        }
        source += (o.depth - 1) / BK * BK, weights += (o.depth - 1) / BK * BK * deeper;
        taps.next();
        if (!taps.real()) break;
        meet();
        step();
    }
    combine();
}
