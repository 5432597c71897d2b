// Implicit GEMM that fetches element by element: for first layers (few channels) and for channel counts that 16-byte
// accesses cannot take. The depth runs over (r,s,c) as one axis, so that 3 channels waste no part of a step.
#pragma once
#include "tile.cuh"

static const int BK = 8, LOADS = BK * BM / THREADS, STEP = THREADS / BM;

struct Operands {
    const T* source;  // (N, SH, SW, SC), the group's first channel
    const T* weight;  // (filters, taps, channels) of the group
    int SH, SW, SC, depth, columns, taps, S, channels;
};

// The weights are stored transposed where the depth is a filter's channels: 8 of depth x 4 filters a warp. A multiple of
// four added to the filter by xor, another one at each depth, puts all 32 on different banks.
struct Fan {
    static __device__ __forceinline__ int turn(int k) { return k * 4; }
};

// DEEP: the depth is (r,s,c) of a filter, one run of memory (forward), else (r,s,k): the filters themselves (grad_input).
// place(r, s, y, x) says where tap (r,s) of this thread's pixel lies in the source (any y, x outside it: nowhere).
template <bool DEEP, typename Place>
__device__ __forceinline__ void gemm(
    const Operands& o, const Place& place, i64 image, int first_column, Buffers<BK>& shared, const Corner& at,
    ACC (&sums)[8][8])
{
    const int lane = threadIdx.x % BM, first = threadIdx.x / BM, D = o.taps * o.depth;
    const int b_first = DEEP ? threadIdx.x % BK : first, b_column = DEEP ? threadIdx.x / BK : lane;
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
            if (d < D && image >= 0 && within(y, o.SH) && within(x, o.SW)) {
                a[l] = o.source[image + (y * o.SW + x) * o.SC + (int)c];
            }
            if constexpr (DEEP) {
                const int deep = d0 + b_first, column = first_column + b_column + l * (THREADS / BK);
                if (deep < D && column < o.columns) b[l] = o.weight[(i64)column * D + deep];
            } else if (d < D && first_column + lane < o.columns) {
                b[l] = o.weight[((int)c * o.taps + (int)tap) * o.channels + first_column + lane];
            }
        }
    };
    auto keep = [&](int buffer) {
#pragma unroll
        for (int l = 0; l < LOADS; ++l) {
            shared.a[buffer][first + l * STEP][lane] = load(&a[l]);
            if constexpr (DEEP) {
                shared.b[buffer][b_first][(b_column + l * (THREADS / BK)) ^ Fan::turn(b_first)] = load(&b[l]);
            } else {
                shared.b[buffer][first + l * STEP][lane] = load(&b[l]);
            }
        }
    };
    auto combine = [&](int buffer) {
        if constexpr (DEEP) multiply<Straight, Fan>(shared.a[buffer], shared.b[buffer], at, sums);
        else multiply<Straight, Straight>(shared.a[buffer], shared.b[buffer], at, sums);
    };

    fetch(0);
    keep(0);
    __syncthreads();
    int buffer = 0;
    for (int d = BK; d < D; d += BK, buffer ^= 1) {
        fetch(d);
        combine(buffer);
        keep(buffer ^ 1);
        __syncthreads();
    }
    combine(buffer);
}
