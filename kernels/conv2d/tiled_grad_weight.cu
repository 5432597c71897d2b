/*
conv2d gradient of weight and bias, tiled: rows are filters, columns (r,s,c), depth the pixels, split into J parts.

math:     gw[k,c,r,s] = sum over n,p,q of gy[n,k,p,q] * x[n,c,h,w], h = p*stride_h - pad_h + r*dil_h,
          w = q*stride_w - pad_w + s*dil_w, inside x; gb[k] = sum over n,p,q of gy[n,k,p,q]
layout:   gy (N,P,Q,K), x (N,H,W,C), gw (K,R,S,C/groups), row-major; gb (K); parts and tickets: see split.cuh
threads:  a block owns BM filters x BN columns of one group (blockIdx.z) and one part (blockIdx.x = tile of columns, part), a
          thread 8x8; the blocks of the first columns also add up the filters' rows of gy, which are in shared memory anyway
shared:   4*2*max(2*VEC, 8)*(BM + BN)
flops:    2*N*P*Q*K*(C//G)*R*S
bytes:    e*(N*H*W*C + N*P*Q*K + K*(C//G)*R*S)
requires: VEC = 16/e with C/groups and K/groups multiples of it and aligned arrays, or VEC = 1; N*P*Q and R*S*C below 2^31
numerics: running sums in float over each part, parts added in a fixed order: the same bits at every run
optional: gb parts tickets
*/
#include "split.cuh"

static const int BK = VEC == 1 ? 8 : 2 * VEC, LOADS = BK * BM / (VEC * THREADS), ROWS = THREADS * VEC / BM;

// The sum of a row of the tile over BK of depth.
__device__ __forceinline__ ACC row_sum(const ACC (&a)[BK][BM], int row) {
    ACC sum = 0;
#pragma unroll
    for (int k = 0; k < BK; ++k) sum += a[k][row];
    return sum;
}

extern "C" __global__ void __launch_bounds__(THREADS, BLOCKS) conv2d_tiled_grad_weight(
    const T* __restrict__ gy, const T* __restrict__ x, T* __restrict__ gw, T* __restrict__ gb, ACC* parts, int* tickets,
    int J, int fan, Conv2d g)
{
    // seek to the block's tile and part; a thread always fetches the same filters and columns, of pixels ROWS apart
    __shared__ Buffers<BK> shared;
    const int Cg = g.Cg(), Kg = g.Kg(), group = blockIdx.z, part = blockIdx.x % J, across = gridDim.x / J;
    const int columns = g.R * g.S * Cg, first_row = blockIdx.y * BM, first_column = blockIdx.x / J * BN;
    const int M = g.N * g.P * g.Q, each = ceil_div(ceil_div(M, J), BK) * BK;
    const int end = smaller((part + 1) * (i64)each, (i64)M);
    const Divider by_Q(g.Q), by_P(g.P);
    const int k = threadIdx.x % (BM / VEC) * VEC, column = threadIdx.x % (BN / VEC) * VEC;
    const int row = threadIdx.x / (BM / VEC);
    const bool real_k = first_row + k < Kg, real_column = first_column + column < columns;
    const int c = (first_column + column) % Cg, tap = (first_column + column) / Cg, r = tap / g.S, s = tap % g.S;
    const int off_h = g.row(0, r), off_w = g.col(0, s);
    const T* above = gy + group * Kg + first_row + k;
    const T* below = x + group * Cg + c;

    // combine
    Pack<T> a[LOADS], b[LOADS];
    auto fetch = [&](int m0) {
#pragma unroll
        for (int l = 0; l < LOADS; ++l) {
            const int m = m0 + row + l * ROWS;
            unsigned q = m, p = by_Q.split(q), n = by_P.split(p);
            const int h = (int)p * g.stride_h + off_h, w = (int)q * g.stride_w + off_w;
            a[l] = b[l] = Pack<T>{};
            if (m >= end) continue;
            if (real_k) {
                if constexpr (VEC == 1) a[l].item[0] = above[(i64)m * g.K];
                else a[l] = load_pack(above + (i64)m * g.K);
            }
            if (real_column && g.inside(h, w)) {
                const T* from = below + (((i64)n * g.H + h) * g.W + w) * g.C;
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
