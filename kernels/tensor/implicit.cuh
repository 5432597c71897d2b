// Implicit GEMM of a convolution's forward pass and its input's gradient: rows are pixels of the result, columns its
// channels, depth the channels of the source, tap after tap. ACROSS 0: the weights' memory runs along the depth (forward);
// 1: along the columns (gradient of the input).
//
// Where rows and taps lie is made once, in a table (taps.cuh); in the main loop a thread knows its tap and its place in it, and
// moves on by additions.
#pragma once
#include "epilogue.cuh"
#include "taps.cuh"
#include "../ptx/pin.cuh"

struct Operands {
    const T *source, *weight;  // of the group
    int taps;                  // of the table
    int depth;                 // packs of a tap
    int columns;               // elements
    int apart;                 // packs between two columns' weights; ACROSS: between two depths'
};

static const int PASS = THREADS / CHUNKS;                  // rows that a copy of all threads fills
static const int LOADS_A = BM / PASS;
static const int BESIDE = THREADS / STEP;                  // ACROSS: threads of a depth's row
static const int PACKS = BN / EACH;                        // of such a row
static const int LOADS_B = ACROSS ? (PACKS + BESIDE - 1) / BESIDE : (BN + PASS - 1) / PASS;
static const int A_BYTES = BM * ROW, STAGE = A_BYTES + (ACROSS ? STEP * PITCH : BN * ROW);

// Of three TF32, pieces of depth that have sums of their own: there are registers for two where a large tile has weights across
// its columns, which are read word by word, and where sm_120's compiler has moments to keep besides.
#if ACROSS || MOMENTS && __CUDA_ARCH__ >= 1200
static const int TOGETHER = MI * NI >= 16 ? 2 : PIECES;
#else
static const int TOGETHER = PIECES;
#endif

// ACROSS: the depth whose row a thread fills. The rows of eight lanes are apart so far that they meet no bank.
__device__ __forceinline__ int filled_row() {
    const int i = threadIdx.x / BESIDE, turn = E == 2 ? 8 : 4, step = E == 2 ? BESIDE : BESIDE / 2;
    return step < 2 || step >= turn ? i : i / turn * turn + i * step % turn + i % turn * step / turn;
}

// The block's sums. `area` has STAGES stages.
__device__ __forceinline__ void multiply_taps(
    const Operands& o, const Table& table, int first_column, char* area, float (&sums)[MI][NI][4])
{
    const Shared base = shared_address(area);
    const char* source = reinterpret_cast<const char*>(o.source);
    const char* weight = reinterpret_cast<const char*>(o.weight);

    // this thread's packs of a stage
    const int row = threadIdx.x / CHUNKS, chunk = threadIdx.x % CHUNKS, to = held(swizzled(row, chunk));
    int from[LOADS_A];
    unsigned mask[LOADS_A];
#pragma unroll
    for (int l = 0; l < LOADS_A; ++l) from[l] = table.from[row + l * PASS], mask[l] = table.mask[row + l * PASS];
    const int deep = filled_row(), beside = threadIdx.x % BESIDE;
    const int first = ACROSS ? first_column / EACH + beside : (first_column + row) * o.apart;
    const int to_b = A_BYTES + (ACROSS ? held(deep * PITCH + beside * 16) : to);
    // packs (rows) of B from the thread's first to the last column; more than this thread's is somebody else's
    const int ahead = held(ACROSS ? smaller(o.columns / EACH - first, PACKS - beside) : smaller(o.columns - first_column, BN) - row);

    // what comes next
    const int more_taps = CHUNKS / o.depth, more = CHUNKS % o.depth;
    Depth a, b;
    a.seek(chunk, o.depth), b.seek(deep, o.depth * EACH);
    const char *from_a, *from_b;
    unsigned met;
    int filled;
    auto seek = [&]() {
        const bool real = a.tap < o.taps, real_b = ACROSS ? b.tap < o.taps : real;
        met = real ? 1u << a.tap : 0u, filled = real_b ? ahead : 0;
        from_a = packs_on(source, real ? table.source[a.tap] + a.at : 0);
        if (ACROSS) from_b = packs_on(weight, first + (real_b ? table.weight[b.tap] + b.at * o.apart : 0));
        else from_b += ROW;
    };
    auto issue = [&](int stage, int piece) {
#pragma unroll
        for (int l = 0; l < LOADS_A; ++l) {
            if (l * PIECES / LOADS_A != piece) continue;
            copy_async(base + stage + to + l * PASS * ROW, packs_on(from_a, from[l]), (mask[l] & met) != 0);
        }
#pragma unroll
        for (int l = 0; l < LOADS_B; ++l) {
            if (l * PIECES / LOADS_B != piece) continue;
            const int further = ACROSS ? l * BESIDE * 16 : l * PASS * ROW;
            if (ACROSS ? PACKS % BESIDE != 0 && beside >= PACKS - l * BESIDE : BN % PASS != 0 && row >= BN - l * PASS) continue;
            copy_async(base + stage + to_b + further, packs_on(from_b, l * (ACROSS ? BESIDE : PASS * o.apart)), filled > l * (ACROSS ? BESIDE : PASS));
        }
    };
    auto next = [&]() {
        a.advance(more_taps, more, o.depth);
        if (ACROSS) b.advance(more_taps, more * EACH, o.depth * EACH);
        seek();
    };

    // the fragments that this warp reads
    const int warp = threadIdx.x / 32, wm = warp / (BN / WN) * WM, wn = warp % (BN / WN) * WN;
    const int at_a = held(of_rows(wm)), at_b = held(A_BYTES + (ACROSS ? across_columns(wn) : of_columns(wn)));
    auto fetch_a = [&](int stage, int piece, int i, unsigned (&fa)[4]) {
        load_matrices(fa, base + stage + (at_a ^ piece * 32) + i * 16 * ROW);
    };
    auto fetch_b = [&](int stage, int piece, unsigned (&fb)[NI / 2][4]) {
#pragma unroll
        for (int j = 0; j < NI / 2; ++j) {
            if (ACROSS) {
                const int at = at_b + stage + piece * DEPTH * PITCH + j * 16 * E;
                load_across(fb[j], area + at, base + at);
            } else {
                load_matrices(fb[j], base + stage + (at_b ^ piece * 32) + j * 16 * ROW);
            }
        }
    };
    from_b = packs_on(weight, first + chunk - CHUNKS);
    seek();
    multiply_stages<STAGE, TOGETHER>(sums, ceil_div(o.taps * o.depth, CHUNKS), issue, next, fetch_a, fetch_b);
}

// One sum as plain loops have it: products in float, of places inside the source alone.
__device__ __forceinline__ float plain_sum(const Operands& o, const Table& table, int row, int column) {
    float sum = 0;
    for (int t = 0; t < o.taps; ++t) {
        if (!(table.mask[row] >> t & 1)) continue;
        const T* left = o.source + (i64)(table.from[row] + table.source[t]) * EACH;
        const T* right = o.weight + (i64)table.weight[t] * EACH + (ACROSS ? column : (i64)column * o.apart * EACH);
        const int apart = ACROSS ? o.apart * EACH : 1;
        for (int d = 0; d < o.depth * EACH; ++d) sum += load(left + d) * load(right + (i64)d * apart);
    }
    return sum;
}
