/*
conv2d gradient of the weight on Hopper's tensor cores, by wgmma: rows are filters, columns the taps' channels, depth the
pixels, across which both operands lie. The pixels are split into J parts, which the last block of a tile adds in order.

math:     gw[k,c,r,s] = sum over n,p,q of gy[n,k,p,q] * x[n,c,h,w], h = p*stride_h - pad_h + r*dil_h,
          w = q*stride_w - pad_w + s*dil_w, inside x
layout:   gy (N,P,Q,K), x (N,H,W,C), gw (K,R,S,C/groups), row-major; parts (J, tiles, BM*BN), tickets as split.cuh's
threads:  a block owns BM filters (blockIdx.y) x BN columns of one group (blockIdx.z) in one part (blockIdx.x % J), a
          warpgroup 64 x BN; a thread copies from one pixel of a stage's 64
shared:   0
flops:    2*N*P*Q*K*(C//G)*R*S
bytes:    e*(N*H*W*C + N*P*Q*K + K*(C//G)*R*S)
requires: 16 bits; C/groups and K/groups multiples of V = 16/e; aligned arrays of up to 2^31 packs of 16 bytes; PRECISION
          fits T; dynamic shared memory for STAGES stages, or the sums, and 1024 bytes more
numerics: products in PRECISION, running sums in float over each part, parts added in a fixed order; sums that are not
          finite anew, in float
optional: parts tickets
arch:     90a
*/
#include "geometry.cuh"
#include "wgmma_rows.cuh"
#include "../tensor/join_sums.cuh"

static const int STEP = 64;  // pixels of a stage
static const int LOADS_A = BM / 8 / BESIDE, LOADS_B = BN / 8 / BESIDE;
static const int BLOCK = STEP * 128;  // bytes of 64 filters, or columns: rows of 128 bytes, a pixel each
static const int A_BYTES = BM / 64 * BLOCK, STAGE = A_BYTES + BN / 64 * BLOCK;
static const int AHEAD = STAGES - 2;

// What this thread copies of each stage: some filters of one pixel of gy, some columns of the pixel's surroundings in x.
struct Copies {
    const Conv2d& g;
    const uint4 *gy, *x;
    int deep, beside, n, p, q, m, end, offset[LOADS_B], down[LOADS_B], right[LOADS_B];  // of each column's tap
    unsigned filters, columns;  // bit l: whether the l-th pack is one of them

    __device__ __forceinline__ Copies(const T* gy, const T* x, const Conv2d& g, int row, int column, int begin, int end)
        : g(g), gy(reinterpret_cast<const uint4*>(gy)), x(reinterpret_cast<const uint4*>(x)), end(end), filters(0), columns(0)
    {
        deep = own_depth(), beside = threadIdx.x % BESIDE, m = begin + deep;
        q = m % g.Q, p = m / g.Q % g.P, n = m / g.Q / g.P;
        this->gy += row / 8 + beside;
#pragma unroll
        for (int l = 0; l < LOADS_A; ++l) filters |= (unsigned)(row + (beside + l * BESIDE) * 8 < g.Kg()) << l;
#pragma unroll
        for (int l = 0; l < LOADS_B; ++l) {
            const int at = column + (beside + l * BESIDE) * 8, tap = at / g.Cg();
            columns |= (unsigned)(tap < g.R * g.S) << l;
            down[l] = tap / g.S * g.dil_h, right[l] = tap % g.S * g.dil_w;
            offset[l] = (tap / g.S * g.dil_h * g.W + tap % g.S * g.dil_w) * (g.C / 8) + at % g.Cg() / 8;
        }
    }

    __device__ __forceinline__ void issue(Shared stage) {
        const bool real = m < end;
        const int h = g.row(p, 0), w = g.col(q, 0);
        const uint4* from_gy = gy + (real ? m * (g.K / 8) : 0);
        const uint4* from_x = x + ((n * g.H + h) * g.W + w) * (g.C / 8);
#pragma unroll
        for (int l = 0; l < LOADS_A; ++l) {
            copy_async(stage + place(l), from_gy + l * BESIDE, real && (filters >> l & 1));
        }
#pragma unroll
        for (int l = 0; l < LOADS_B; ++l) {
            const bool inside = real && (columns >> l & 1) && g.inside(h + down[l], w + right[l]);
            copy_async(stage + A_BYTES + place(l), from_x + offset[l], inside);
        }
        m += STEP, q += STEP % g.Q, p += STEP / g.Q % g.P, n += STEP / g.Q / g.P;
        if (q >= g.Q) q -= g.Q, ++p;
        if (p >= g.P) p -= g.P, ++n;
    }

    __device__ __forceinline__ int place(int l) const {
        const int pack = beside + l * BESIDE;
        return pack / 8 * BLOCK + deep * 128 + (pack ^ deep) % 8 * 16;
    }
};

__device__ __forceinline__ void multiply_pixels(Copies& copies, int steps, char* area, float (&sums)[BN / 2]) {
    const Shared base = shared_address(area);
#pragma unroll
    for (int s = 0; s < AHEAD; ++s) {
        if (s < steps) copies.issue(base + s * STAGE);
        copy_commit();
    }
    int from = 0, into = AHEAD * STAGE;
#pragma unroll 1
    for (int step = 0; step < steps; ++step) {
        copy_wait<AHEAD - 1>();
        fence_proxy();
        __syncthreads();  // the stage is there for all, and all have multiplied that before the last
        const unsigned stage = shared_offset(base) + from;
        const unsigned long long a = across_rows(stage + threadIdx.x / 128 * BLOCK, BLOCK);
        const unsigned long long b = across_rows(stage + A_BYTES, BLOCK);
        wgmma_fence();
#pragma unroll
        for (int piece = 0; piece < 4; ++piece) {
#if PRECISION == BF16
            wgmma_bf16<1, 1>(sums, a + 128 * piece, b + 128 * piece);
#else
            wgmma_fp16<1, 1>(sums, a + 128 * piece, b + 128 * piece);
#endif
        }
        wgmma_commit();
        wgmma_wait<1>();
        if (step + AHEAD < steps) copies.issue(base + into);
        copy_commit();
        from = from == (STAGES - 1) * STAGE ? 0 : from + STAGE;
        into = into == (STAGES - 1) * STAGE ? 0 : into + STAGE;
    }
    wgmma_wait<0>();
    copy_wait<0>();
}

// One sum as plain loops have it.
__device__ __forceinline__ float plain_sum(const T* gy, const T* x, const Conv2d& g, int filter, int column, int M) {
    const int tap = column / g.Cg(), c = column % g.Cg();
    float sum = 0;
    for (int m = 0; m < M; ++m) {
        const int h = g.row(m / g.Q % g.P, tap / g.S), w = g.col(m % g.Q, tap % g.S);
        if (!g.inside(h, w)) continue;
        sum += load(gy + (i64)m * g.K + filter) * load(x + (((i64)m / g.Q / g.P * g.H + h) * g.W + w) * g.C + c);
    }
    return sum;
}

extern "C" __global__ void __launch_bounds__(THREADS) conv2d_wgmma_grad_weight(
    const T* __restrict__ gy, const T* __restrict__ x, T* __restrict__ gw, ACC* parts, int* tickets, int J, int fan, Conv2d g)
{
    // seek to the block's tile and part
    extern __shared__ __align__(128) char memory[];
    char* area = aligned_area(memory);
    const int across = gridDim.x / J, part = blockIdx.x % J, group = blockIdx.z, columns = g.R * g.S * g.Cg();
    const int first_row = blockIdx.y * BM, first_column = blockIdx.x / J * BN, M = g.N * g.P * g.Q;
    const int each = ceil_div(ceil_div(M, J), STEP) * STEP, begin = smaller((i64)part * each, M);
    const int end = smaller((i64)begin + each, M);
    const T *above = gy + group * g.Kg(), *below = x + group * g.Cg();

    // combine
    Copies copies(above, below, g, first_row, first_column, begin, end);
    float sums[BN / 2] = {};
    multiply_pixels(copies, ceil_div(end - begin, STEP), area, sums);
    const int tile = (blockIdx.z * gridDim.y + blockIdx.y) * across + blockIdx.x / J;
    if (!join_sums({parts, tickets, J, fan, (int)(across * gridDim.y * gridDim.z), tile, part}, sums)) return;

    // write
    __syncthreads();  // all have multiplied the stages that lie there
    float* kept = reinterpret_cast<float*>(area);
    keep_sums(sums, kept);
    const int packs = BN / 8;  // of a row
#pragma unroll 1
    for (int i = threadIdx.x; i < BM * packs; i += THREADS) {
        const int filter = first_row + i / packs, column = first_column + i % packs * 8;
        if (filter >= g.Kg() || column >= columns) continue;
        float v[8];
        load_sums(kept + i / packs * PITCH + i % packs * 8, threadIdx.x / 4 % 2, v);
        mend(v, [&](int e) { return plain_sum(above, below, g, filter, column + e, M); });
        store_each(gw + ((i64)group * g.Kg() + filter) * columns + column, v);
    }
}
