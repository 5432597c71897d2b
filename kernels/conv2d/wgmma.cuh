// Implicit GEMM of a convolution by wgmma: rows are pixels of the result, columns its channels, depth the channels of the
// source, tap after tap. A warpgroup has 64 of the BM rows and all BN columns; STAGES stages of 128 bytes of depth lie in
// shared memory, of which two are multiplied and the others are on their way. ACROSS 0: the weights' memory runs along the
// depth (forward); 1: across it, along the columns (gradient of the input).
//
// Places are counted in packs of 16 bytes, so that 32 bits reach 32 GB; where a row begins in the source, which taps meet
// it there (a bit each) and how far each tap is stand in a table.
#pragma once
#include "../ptx/wgmma.cuh"
#include "../tensor/precision.cuh"
#include "geometry.cuh"
#include "wgmma_rows.cuh"

static const int MOST_TAPS = 32;
static const int STEP = 128 / E;                        // elements of depth of a stage
static const int PASS = THREADS / 8, LOADS_A = BM / PASS;  // rows that a copy of all threads fills
static const int BESIDE = THREADS / 64;                 // ACROSS: threads of a depth's row, 64 of 16 bits
static const int LOADS_B = BN / PASS;
static const int A_BYTES = BM * 128, STAGE = A_BYTES + BN * 128;
static const int AHEAD = STAGES - 2;                    // stages on their way

struct Table {
    int from[BM];           // where the row's first place lies in the source
    unsigned mask[BM];      // bit t: tap t meets the source there; 0 where there is no such row
    int to[BM];             // where its results begin, or -1
    int source[MOST_TAPS];  // how far the tap is from the row's first place
    int weight[MOST_TAPS];  // and in the weights
};

struct Operands {
    const T *source, *weight;  // of the group
    int taps, depth;           // packs of a tap
    int columns;               // elements
    int apart;                 // packs between two columns' weights; ACROSS: between two depths'
};

// The area's first multiple of 1024 bytes, which the swizzle counts from: the launch gives as many more.
__device__ __forceinline__ char* aligned_area(char* area) {
    return area + (1024 - (shared_offset(shared_address(area)) & 1023)) % 1024;
}

__device__ __forceinline__ void mma_of_warpgroup(float (&sums)[BN / 2], unsigned long long a, unsigned long long b) {
#if PRECISION == BF16
    wgmma_bf16<0, ACROSS>(sums, a, b);
#elif PRECISION == FP16
    wgmma_fp16<0, ACROSS>(sums, a, b);
#else
    wgmma_tf32(sums, a, b);
#endif
}

// Where in the depth a thread is: its tap, and the pack or the element inside of it.
struct Depth {
    int tap, at;
    __device__ __forceinline__ void advance(int taps, int rest, int size) {
        tap += taps, at += rest;
        if (at >= size) at -= size, ++tap;
    }
};

// What this thread copies of each stage: one pack of some rows of A, and of some columns (ACROSS: of one depth) of B.
struct Copies {
    const Operands& o;
    const Table& table;
    const Chunk *source, *weight;
    int from[LOADS_A], first, to_a, to_b, place;
    unsigned mask[LOADS_A], there;  // bit l of `there`: the l-th pack of B is a column's
    Depth a, b;

    __device__ __forceinline__ Copies(const Operands& o, const Table& table, int first_column) : o(o), table(table), there(0) {
        const int row = threadIdx.x / 8, chunk = threadIdx.x % 8, deep = threadIdx.x / BESIDE, beside = threadIdx.x % BESIDE;
        source = reinterpret_cast<const Chunk*>(o.source), weight = reinterpret_cast<const Chunk*>(o.weight);
        place = chunk, a = {chunk / o.depth, chunk % o.depth};
        b = {deep / (o.depth * EACH), deep % (o.depth * EACH)};
        to_a = row * 128 + (chunk ^ row % 8) * 16;
        to_b = A_BYTES + (ACROSS ? deep * 128 : to_a);
        first = ACROSS ? first_column / EACH + beside : (first_column + row) * o.apart;
#pragma unroll
        for (int l = 0; l < LOADS_A; ++l) from[l] = table.from[row + l * PASS], mask[l] = table.mask[row + l * PASS];
#pragma unroll
        for (int l = 0; l < LOADS_B; ++l) {
            const int column = first_column + (ACROSS ? (beside + l * BESIDE) * EACH : row + l * PASS);
            there |= (unsigned)(column < o.columns) << l;
        }
    }

    __device__ __forceinline__ void issue(Shared stage) const {
        const bool real = a.tap < o.taps, real_b = ACROSS ? b.tap < o.taps : real;
        const unsigned met = real ? 1u << a.tap : 0u, filled = real_b ? there : 0u;
        const Chunk* from_a = source + (real ? table.source[a.tap] + a.at : 0);
        const Chunk* from_b = weight + first + (ACROSS ? (real_b ? table.weight[b.tap] + b.at * o.apart : 0) : place);
#pragma unroll
        for (int l = 0; l < LOADS_A; ++l) {
            copy_async(stage + to_a + l * PASS * 128, from_a + from[l], (mask[l] & met) != 0);
        }
#pragma unroll
        for (int l = 0; l < LOADS_B; ++l) {
            // ACROSS: blocks of 64 columns follow one another, each of 64 depths
            const int pack = threadIdx.x % BESIDE + l * BESIDE, deep = threadIdx.x / BESIDE;
            const int to = to_b + (ACROSS ? pack / 8 * 8192 + (pack ^ deep) % 8 * 16 : l * PASS * 128);
            copy_async(stage + to, from_b + l * (ACROSS ? BESIDE : PASS * o.apart), (filled >> l & 1) != 0);
        }
    }

    __device__ __forceinline__ void next() {
        a.advance(8 / o.depth, 8 % o.depth, o.depth);
        if (ACROSS) b.advance(8 / o.depth, 8 % o.depth * EACH, o.depth * EACH);
        place += 8;
    }
};

// The block's sums.
__device__ __forceinline__ void multiply_taps(
    const Operands& o, const Table& table, int first_column, char* area, float (&sums)[BN / 2])
{
    const Shared base = shared_address(area);
    const int steps = ceil_div(o.taps * o.depth, 8), rows = threadIdx.x / 128 * 64 * 128;
    Copies copies(o, table, first_column);
#pragma unroll
    for (int s = 0; s < AHEAD; ++s) {
        if (s < steps) copies.issue(base + s * STAGE), copies.next();
        copy_commit();
    }
    int from = 0, into = AHEAD * STAGE;
#pragma unroll 1
    for (int step = 0; step < steps; ++step) {
        copy_wait<AHEAD - 1>();
        fence_proxy();
        __syncthreads();  // the stage is there for all, and all have multiplied that before the last
        const unsigned stage = shared_offset(base) + from;
        const unsigned long long a = deep_rows(stage + rows);
        const unsigned long long b = ACROSS ? across_rows(stage + A_BYTES, 8192) : deep_rows(stage + A_BYTES);
        wgmma_fence();
#pragma unroll
        for (int piece = 0; piece < 4; ++piece) mma_of_warpgroup(sums, a + 2 * piece, b + (ACROSS ? 128 : 2) * piece);
        wgmma_commit();
        wgmma_wait<1>();
        if (step + AHEAD < steps) copies.issue(base + into), copies.next();
        copy_commit();
        from = from == (STAGES - 1) * STAGE ? 0 : from + STAGE;
        into = into == (STAGES - 1) * STAGE ? 0 : into + STAGE;
    }
    wgmma_wait<0>();
    copy_wait<0>();
    __syncthreads();
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
