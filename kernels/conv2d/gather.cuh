// Implicit GEMM that fetches element by element: for first layers (few channels) and for channel counts that 16-byte
// accesses cannot take. The depth runs over (r,s,c) as one axis, so that 3 channels waste no part of a step.
#pragma once
#include "tile.cuh"

static const int BK = 8, LOADS = BK * BM / THREADS, STEP = THREADS / BM;

template <int RANK> struct Operands {
    const T* source;  // (N, *size, SC), the group's first channel
    const T* weight;  // (filters, taps, channels) of the group
    const int (&size)[RANK], (&window)[RANK];
    int SC, depth, columns, channels;
};

// The weights are stored transposed where the depth is a filter's channels: 8 of depth x 4 filters a warp. A multiple of
// four added to the filter by xor, another one at each depth, puts all 32 on different banks.
struct Fan {
    static __device__ __forceinline__ int turn(int k) { return k * 4; }
};

// DEEP: the depth is (r,s,c) of a filter, one run of memory (forward), else (r,s,k): the filters themselves (grad_input).
// place(at) turns a tap into where it lies in the source, of this thread's pixel (anywhere outside: nowhere).
template <bool DEEP, int RANK, typename Place>
__device__ __forceinline__ void gemm(
    const Operands<RANK>& o, const Place& place, i64 image, int first_column, Buffers<BK>& shared, const Corner& at,
    ACC (&sums)[8][8])
{
    const int lane = threadIdx.x % BM, first = threadIdx.x / BM, taps = volume(o.window), D = taps * o.depth;
    const int b_first = DEEP ? threadIdx.x % BK : first, b_column = DEEP ? threadIdx.x / BK : lane;
    const Divider by_depth(o.depth);
    const Dividers<RANK - 1> by(o.window + 1);
    T a[LOADS], b[LOADS];

    auto fetch = [&](int d0) {
#pragma unroll
        for (int l = 0; l < LOADS; ++l) {
            const int d = d0 + first + l * STEP;
            unsigned c = d, tap = by_depth.split(c);
            int at[RANK];
            at[0] = (int)by.split(tap, at + 1);
            place(at);
            a[l] = b[l] = T{};
            if (d < D && image >= 0 && inside(o.size, at)) {
                a[l] = o.source[image + number(0, o.size, at) * o.SC + (int)c];
            }
            if constexpr (DEEP) {
                const int deep = d0 + b_first, column = first_column + b_column + l * (THREADS / BK);
                if (deep < D && column < o.columns) b[l] = o.weight[(i64)column * D + deep];
            } else if (d < D && first_column + lane < o.columns) {
                b[l] = o.weight[((int)c * taps + (int)tap) * o.channels + first_column + lane];
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

template <int RANK>
__device__ __forceinline__ void gather_forward(
    const T* x, const T* weight, const T* bias, const T* residual, T* y, const Axes<RANK>& g, int activation)
{
    // seek to the block's tile, and to the pixel that this thread fetches
    __shared__ Buffers<BK> shared;
    const int Cg = g.Cg(), Kg = g.Kg(), first_filter = blockIdx.z * Kg, M = g.N * volume(g.out);
    const int first_row = blockIdx.x * BM, first_column = blockIdx.y * BN, m = first_row + threadIdx.x % BM;
    int corner[RANK];
    const i64 sample = split(m, g.out, corner), image = m < M ? sample * volume(g.in) * g.C : -1;
    each_axis<RANK>([&](int a) { corner[a] = corner[a] * g.stride[a] + g.begin[a]; });
    const auto place = [&](int (&at)[RANK]) { each_axis<RANK>([&](int a) { at[a] = corner[a] + at[a] * g.dil[a]; }); };

    // combine
    const T* filters = weight + (i64)first_filter * volume(g.window) * Cg;
    const Operands<RANK> operands = {x + blockIdx.z * Cg, filters, g.in, g.window, g.C, Cg, Kg, Cg};
    const Corner at;
    ACC sums[8][8] = {};
    gemm<true>(operands, place, image, first_column, shared, at, sums);

    // write
    if (bias) add_bias(bias + first_filter, first_column, Kg, at, sums);
    if (residual) add_rows(residual + first_filter, g.K, at, first_row, M, first_column, Kg, Kg % 4 == 0, sums);
    activate(sums, activation);
    T* out = y + first_filter;
    store_tile(sums, at, first_row, M, first_column, Kg, Kg % 4 == 0, [&](int row) { return out + (i64)row * g.K; });
}

template <int RANK>
__device__ __forceinline__ void gather_grad_input(const T* gy, const T* weight, T* gx, const Axes<RANK>& g)
{
    // seek to the block's tile, and to the pixel that this thread fetches
    __shared__ Buffers<BK> shared;
    const int Cg = g.Cg(), Kg = g.Kg(), group = blockIdx.z, M = g.N * volume(g.in);
    const int first_row = blockIdx.x * BM, first_column = blockIdx.y * BN, m = first_row + threadIdx.x % BM;
    int pixel[RANK];
    const i64 sample = split(m, g.in, pixel), image = m < M ? sample * volume(g.out) * g.K : -1;
    const auto place = [&](int (&at)[RANK]) {
        each_axis<RANK>([&](int a) { at[a] = met(pixel[a] - g.begin[a] - at[a] * g.dil[a], g.stride[a], g.out[a]); });
    };

    // combine
    const T* filters = weight + (i64)group * Kg * volume(g.window) * Cg;
    const Operands<RANK> operands = {gy + group * Kg, filters, g.out, g.window, g.K, Kg, Cg, Cg};
    const Corner at;
    ACC sums[8][8] = {};
    gemm<false>(operands, place, image, first_column, shared, at, sums);

    // write
    T* out = gx + group * Cg;
    store_tile(sums, at, first_row, M, first_column, Cg, Cg % 4 == 0, [&](int row) { return out + (i64)row * g.C; });
}
