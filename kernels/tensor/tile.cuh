// A block's tile on tensor cores: BM rows of A times BN columns of B, a warp has WM x WN of it. STAGES stages of ROW bytes
// of depth lie in shared memory: while one is multiplied, the next ones are on their way.
//
// Operands whose memory runs along the depth lie there as rows of ROW bytes, 128 or 64, each in chunks of 16: chunk c of
// row r at c ^ r % 8 (of 64 bytes: c ^ r / 2 % 4). So eight rows' chunks of one depth, which ldmatrix reads at once, and a
// row's chunks, which copies write at once, each meet 32 banks; of 128 bytes it is wgmma's 128-byte swizzle.
#pragma once
#include "precision.cuh"

#ifndef ROW
#define ROW 128
#endif
#define THREADS (BM / WM * (BN / WN) * 32)

// Without a number of blocks the compiler spills in small tiles of three TF32, to make room for three.
#if PRECISION == TF32X3 && BM * BN < 128 * 128
#define BOUNDS THREADS, 1
#else
#define BOUNDS THREADS
#endif

static const int CHUNKS = ROW / 16;       // of a row
static const int STEP = ROW / E;          // elements of depth of a stage
static const int PIECES = STEP / DEPTH;   // of which an mma takes one
static const int MI = WM / 16, NI = WN / 8;

// n, from its own lane: what comes out of a shuffle stays in its register, where the compiler would find a cheap number of a
// thread anew at every step.
__device__ __forceinline__ int held(int n) { return __shfl_sync(0xffffffffu, n, threadIdx.x % 32); }

// Where chunk `chunk` of row `row` lies, in bytes from the operand's first row.
__device__ __forceinline__ int swizzled(int row, int chunk) {
    return row * ROW + (CHUNKS == 8 ? chunk ^ (row & 7) : chunk ^ (row >> 1 & 3)) * 16;
}

// What this lane gives load_matrices for a fragment of A whose first row is `row`, of the first piece; that of piece i is
// ^ 32 i, that of 16 rows further + 16 ROW.
__device__ __forceinline__ int of_rows(int row) {
    const int lane = threadIdx.x % 32;
    return swizzled(row + lane % 16, lane / 16);
}

// The same for a fragment of B, of 16 columns, whose memory runs along the depth.
__device__ __forceinline__ int of_columns(int column) {
    const int lane = threadIdx.x % 32;
    return swizzled(column + lane / 16 * 8 + lane % 8, lane / 8 % 2);
}

// An operand B whose memory runs along its columns lies as rows of BN, one a depth, PITCH bytes apart: 16 bytes more than a
// row, so that the eight rows that ldmatrix transposes meet 32 banks; in 32 bits, which it cannot transpose, 32 bytes more:
// then the 4 depths x 8 columns that a warp reads do.
static const int PITCH = BN * E + (E == 2 ? 16 : 32);

__device__ __forceinline__ int across_columns(int column) {
    const int lane = threadIdx.x % 32;
    return E == 2 ? lane % 16 * PITCH + column * E + lane / 16 * 16 : lane % 4 * PITCH + (column + lane / 4) * E;
}

// A fragment of 16 columns of such rows; `at` is a pointer into shared memory, `address` its address.
__device__ __forceinline__ void load_across(unsigned (&b)[4], const char* at, Shared address) {
#if PRECISION == BF16 || PRECISION == FP16
    load_matrices_transposed(b, address);
#else
#pragma unroll
    for (int e = 0; e < 4; ++e) b[e] = *reinterpret_cast<const unsigned*>(at + e % 2 * 4 * PITCH + e / 2 * 8 * E);
#endif
}

#if PRECISION == TF32X3
// One stage. TOGETHER pieces' products have sums of their own: B's of so many are split once, and stay while the rows of A
// pass by.
template <int TOGETHER, typename Issue, typename FetchA, typename FetchB>
__device__ __forceinline__ void multiply_stage(
    float (&sums)[MI][NI][4], int stage, const Issue& issue, const FetchA& fetch_a, const FetchB& fetch_b)
{
#pragma unroll
    for (int first = 0; first < PIECES; first += TOGETHER) {
        unsigned a[TOGETHER][4], b[TOGETHER][NI / 2][4], small_b[TOGETHER][NI / 2][4];
#pragma unroll
        for (int d = 0; d < TOGETHER; ++d) fetch_b(stage, first + d, b[d]);
#pragma unroll
        for (int d = 0; d < TOGETHER; ++d) fetch_a(stage, first + d, 0, a[d]);
#pragma unroll
        for (int d = 0; d < TOGETHER; ++d) issue(first + d);
        split_columns<NI>(b, small_b);
#pragma unroll
        for (int i = 0; i < MI; ++i) {
            multiply_rows(sums[i], a, b, small_b);
#pragma unroll
            for (int d = 0; d < TOGETHER; ++d) {
                if (i + 1 < MI) fetch_a(stage, first + d, i + 1, a[d]);
            }
        }
    }
}
#else
// One stage: while a piece of its depth is multiplied, the next one's fragments are on their way.
template <int TOGETHER, typename Issue, typename FetchA, typename FetchB>
__device__ __forceinline__ void multiply_stage(
    float (&sums)[MI][NI][4], int stage, const Issue& issue, const FetchA& fetch_a, const FetchB& fetch_b)
{
    unsigned a[2][MI][4], b[2][NI / 2][4];
    auto fetch = [&](int piece) {
#pragma unroll
        for (int i = 0; i < MI; ++i) fetch_a(stage, piece, i, a[piece % 2][i]);
        fetch_b(stage, piece, b[piece % 2]);
    };
    fetch(0);
#pragma unroll
    for (int piece = 0; piece < PIECES; ++piece) {
        if (piece + 1 < PIECES) fetch(piece + 1);
        issue(piece);
        multiply(sums, a[piece % 2], b[piece % 2]);
    }
}
#endif

// The main loop over so many stages, SLOT bytes each from `area` on. issue(slot, piece) copies a PIECES-th of the next
// stage, next() moves on to the one behind it, fetch_a(stage, piece, i, a) and fetch_b(stage, piece, b) read a warp's
// fragments, of A those of rows 16i to 16i + 15; `stage` counts bytes from `area`. At the end nobody reads the area any more.
template <int SLOT, int TOGETHER, typename Issue, typename Next, typename FetchA, typename FetchB>
__device__ __forceinline__ void multiply_stages(
    float (&sums)[MI][NI][4], int steps, const Issue& issue, const Next& next, const FetchA& fetch_a, const FetchB& fetch_b)
{
#pragma unroll
    for (int s = 0; s < STAGES - 1; ++s) {
        if (s < steps) {
#pragma unroll
            for (int piece = 0; piece < PIECES; ++piece) issue(s * SLOT, piece);
            next();
        }
        copy_commit();
    }
    int from = 0, into = (STAGES - 1) * SLOT;
#pragma unroll 1
    for (int left = steps - STAGES; left > -STAGES; --left) {  // stages that are not on their way yet
        copy_wait<STAGES - 2>();
        __syncthreads();  // the stage is there for all, and nobody reads that before it any more
        const bool more = left >= 0;
        multiply_stage<TOGETHER>(sums, from, [&](int piece) { if (more) issue(into, piece); }, fetch_a, fetch_b);
        if (more) next();
        copy_commit();
        from = from == (STAGES - 1) * SLOT ? 0 : from + SLOT;
        into = into == (STAGES - 1) * SLOT ? 0 : into + SLOT;
    }
    copy_wait<0>();
    __syncthreads();
}
