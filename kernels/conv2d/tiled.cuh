// Implicit GEMM for forward and grad_input: rows are output pixels, columns output channels, depth input channels of one
// filter tap after the other. Forward reads x and the filters along their channels (depth), grad_input reads gy, and the
// filters along their channels (columns).
#pragma once
#include "tile.cuh"

static const int V = PackOf<T>::size, BK = 2 * V, LOADS = 2 * BM / THREADS;

template <int RANK> struct Operands {
    const T* source;  // (N, *size, SC), the group's first channel
    const T* weight;  // (filters, taps, channels) of the group
    const int (&size)[RANK];
    int SC, depth, columns, taps, channels;
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

// The pixels that this thread fetches: sample (-1: none), and where its first tap lies.
template <int RANK> struct Pixels {
    int sample[LOADS], first[LOADS][RANK];
};

// The multiplication. DEEP: the depth is a filter's channels (forward), else the filters themselves (grad_input).
// taps.number is the tap in the weights, taps.off how far it lies from a pixel's first; next() goes on to the next one, while
// real().
template <bool DEEP, int RANK, typename Taps>
__device__ __forceinline__ void gemm(
    const Operands<RANK>& o, Taps taps, const Pixels<RANK>& pixels, int first_column, Buffers<BK>& shared,
    const Corner& corner, ACC (&sums)[TM][TN])
{
    Corner at;
    at.row = held(corner.row), at.col = held(corner.col);
    const int half = held(threadIdx.x % 2), turned = held(threadIdx.x / 2 ^ half * 16);  // place of the first pack
    const int deeper = DEEP ? 1 : o.taps * o.channels;  // in the weights, from one depth to the next
    const T *pixel[LOADS], *weight[LOADS];  // what is fetched next
    int place[LOADS][RANK];  // of the first tap, or what no tap brings inside
    bool here[LOADS];
    Pack<T> a[LOADS], b[LOADS];
    int left = o.depth, buffer = 0;  // depth left of the tap
#pragma unroll
    for (int l = 0; l < LOADS; ++l) {
        each_axis<RANK>([&](int i) { place[l][i] = pixels.first[l][i]; });
        if (pixels.sample[l] < 0) place[l][0] = -(1 << 30);
        pixel[l] = o.source + number((i64)pixels.sample[l], o.size, pixels.first[l]) * o.SC + half * V;
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
        const bool deep = half * V < left;
#pragma unroll
        for (int l = 0; l < LOADS; ++l) {
            a[l] = b[l] = Pack<T>{};
            if (here[l] && deep) a[l] = load_pack(pixel[l]);
            if (DEEP ? deep : Spot<DEEP>(l).depth < left) b[l] = load_pack(weight[l]);
        }
    };
    auto keep = [&]() {
#pragma unroll
        for (int l = 0; l < LOADS; ++l) {  // two are 32 apart, which no turn changes
            store_transposed(&shared.a[buffer][half * V][turned + l * THREADS / 2], a[l], BM);
            if constexpr (DEEP) {
                store_transposed(&shared.b[buffer][half * V][turned + l * THREADS / 2], b[l], BN);
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
        const i64 to_source = number((i64)0, o.size, taps.off) * o.SC;
        const int to_weights = taps.number * o.channels;
        move(to_source - source, to_weights - weights);
        source = to_source, weights = to_weights, left = o.depth;
#pragma unroll
        for (int l = 0; l < LOADS; ++l) {
            int met[RANK];
            each_axis<RANK>([&](int i) { met[i] = place[l][i] + taps.off[i]; });
            here[l] = inside(o.size, met);
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
