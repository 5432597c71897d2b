// The tiled gradient of weight and bias of any rank: rows are filters, columns the taps' channels, depth the pixels, split
// into J parts.
#pragma once
#include "split.cuh"

static const int BK = VEC == 1 ? 8 : 2 * VEC, LOADS = BK * BM / (VEC * THREADS), ROWS = THREADS * VEC / BM;

// The sum of a row of the tile over BK of depth.
__device__ __forceinline__ ACC row_sum(const ACC (&a)[BK][BM], int row) {
    ACC sum = 0;
#pragma unroll
    for (int k = 0; k < BK; ++k) sum += a[k][row];
    return sum;
}

template <int RANK>
__device__ __forceinline__ void tiled_grad_weight(
    const T* gy, const T* x, T* gw, T* gb, ACC* parts, int* tickets, int J, int fan, const Axes<RANK>& g)
{
    // seek to the block's tile and part; a thread always fetches the same filters and columns, of pixels ROWS apart
    __shared__ Buffers<BK> shared;
    const int Cg = g.Cg(), Kg = g.Kg(), group = blockIdx.z, part = blockIdx.x % J, across = gridDim.x / J;
    const int columns = volume(g.window) * Cg, first_row = blockIdx.y * BM, first_column = blockIdx.x / J * BN;
    const int M = g.N * volume(g.out), each = ceil_div(ceil_div(M, J), BK) * BK;
    const int end = smaller((part + 1) * (i64)each, (i64)M);
    const int k = threadIdx.x % (BM / VEC) * VEC, column = threadIdx.x % (BN / VEC) * VEC;
    const int row = threadIdx.x / (BM / VEC);
    const bool real_k = first_row + k < Kg, real_column = first_column + column < columns;
    const int c = (first_column + column) % Cg;
    int off[RANK];  // of the column's tap from a pixel's corner
    split((first_column + column) / Cg, g.window, off);
    each_axis<RANK>([&](int i) { off[i] = off[i] * g.dil[i] + g.begin[i]; });
    const Dividers<RANK> by(g.out);
    const T* above = gy + group * Kg + first_row + k;
    const T* below = x + group * Cg + c;

    // combine
    Pack<T> a[LOADS], b[LOADS];
    auto fetch = [&](int m0) {
#pragma unroll
        for (int l = 0; l < LOADS; ++l) {
            const int m = m0 + row + l * ROWS;
            int at[RANK];
            const unsigned n = by.split(m, at);
            each_axis<RANK>([&](int i) { at[i] = at[i] * g.stride[i] + off[i]; });
            a[l] = b[l] = Pack<T>{};
            if (m >= end) continue;
            if (real_k) {
                if constexpr (VEC == 1) a[l].item[0] = above[(i64)m * g.K];
                else a[l] = load_pack(above + (i64)m * g.K);
            }
            if (real_column && inside(g.in, at)) {
                const T* from = below + number((i64)n, g.in, at) * g.C;
                if constexpr (VEC == 1) b[l].item[0] = *from;
                else b[l] = load_pack(from);
            }
        }
    };
    auto keep = [&](int buffer) {
#pragma unroll
        for (int l = 0; l < LOADS; ++l) {
            ACC* to_a = &shared.a[buffer][row + l * ROWS][k];
            ACC* to_b = &shared.b[buffer][row + l * ROWS][column];
            if constexpr (VEC == 1) {
                *to_a = load(&a[l].item[0]), *to_b = load(&b[l].item[0]);
            } else {
                widen(to_a, a[l]), widen(to_b, b[l]);
            }
        }
    };

    const Corner at;
    const bool biased = gb && first_column == 0 && threadIdx.x < BM;
    ACC sums[8][8] = {}, bias = 0;
    int m = smaller((i64)part * each, (i64)M);
    if (m < end) fetch(m), keep(0);
    __syncthreads();
    for (int buffer = 0; m < end; buffer ^= 1) {
        m += BK;
        if (m < end) fetch(m);
        multiply<Straight, Straight>(shared.a[buffer], shared.b[buffer], at, sums);
        if (biased) bias += row_sum(shared.a[buffer], threadIdx.x);
        if (m < end) keep(buffer ^ 1);
        __syncthreads();
    }

    // join the parts, and write
    const auto real = [&](int i, int half) {
        return first_row + at.row_of(i) < Kg && first_column + at.col_of(half) < columns;
    };
    const int tile = (blockIdx.z * gridDim.y + blockIdx.y) * across + blockIdx.x / J;
    if (!join({parts, tickets, J, fan, (int)(across * gridDim.y * gridDim.z), tile, part}, sums, bias, real)) return;
    T* out = gw + (i64)group * Kg * columns;
    const auto start = [&](int filter) { return out + (i64)filter * columns; };
    store_tile(sums, at, first_row, Kg, first_column, columns, columns % 4 == 0, start);
    if (biased && first_row + threadIdx.x < Kg) store(gb + group * Kg + first_row + threadIdx.x, bias);
}
