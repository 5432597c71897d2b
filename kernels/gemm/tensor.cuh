// A block's product on tensor cores: the steps of its depth, several of them under way, and the fragments multiplied.
#pragma once
#include "staging.cuh"

static const int KEPT = SLOPE ? BM : 0;                  // rows of y, which a is derived by
static const int AT_B = (BM + KEPT) * 128;               // bytes before b's pieces in a slot
static const int SLOT = AT_B + BN * 128;                 // bytes of a step
static const int FETCHED = PRECISION == TF32X3 ? STEPS : 2;  // fragments in registers: what floats add up at once, or the next ones

// a times the activation's derivative, by y; of 16-bit numbers ReLU's alone, which rounds nothing.
template <int N> __device__ __forceinline__ void derive(unsigned (&a)[N][4], const unsigned (&y)[N][4]) {
#pragma unroll
    for (int i = 0; i < N; ++i) {
#pragma unroll
        for (int e = 0; e < 4; ++e) {
            if (E == 2) {
                a[i][e] &= (y[i][e] & 0x7fffu ? 0xffffu : 0u) | (y[i][e] & 0x7fff0000u ? 0xffff0000u : 0u);
            } else {
                a[i][e] = __float_as_uint(derived(__uint_as_float(a[i][e]), __uint_as_float(y[i][e]), SLOPE));
            }
        }
    }
}

// The steps of a block's depth, copied to their slots in turn.
template <bool DEEP_A, bool DEEP_B> struct Steps {
    Loader<BM, DEEP_A> left;
    Loader<BN, DEEP_B> right;
    i64 kept;  // bytes from a to y
    Shared slots;

    // A quarter of a step's copies into a slot; without `more` there is no step left.
    __device__ __forceinline__ void copy(int slot, int quarter, int depth, bool more) const {
        const Shared to = slots + slot * SLOT;
        Loader<BM, DEEP_A> y = left;
        y.from += kept;
#pragma unroll
        for (int l = 0; l < left.COPIES; ++l) {
            if (l * STEPS / left.COPIES != quarter) continue;
            left.copy(to, l, depth, more ? left.inside : 0);
            if (SLOPE) y.copy(to + BM * 128, l, depth, more ? left.inside : 0);
        }
#pragma unroll
        for (int l = 0; l < right.COPIES; ++l) {
            if (l * STEPS / right.COPIES == quarter) right.copy(to + AT_B, l, depth, more ? right.inside : 0);
        }
    }
    __device__ __forceinline__ void advance(int depth) { left.advance(depth), right.advance(depth); }

    // The first STAGES - 1: the very first takes what is no multiple of BK, so that no other looks where it ends.
    __device__ __forceinline__ void start(int depth, int steps, char* memory) {
#pragma unroll
        for (int s = 0; s < STAGES; ++s) right.place_ones(memory + s * SLOT + AT_B);
#pragma unroll
        for (int s = 0; s < STAGES - 1; ++s) {
            if (s < steps) {
                const int limit = s ? BK : depth - (steps - 1) * BK;
#pragma unroll
                for (int quarter = 0; quarter < STEPS; ++quarter) copy(s, quarter, limit, true);
                advance(limit);
            }
            copy_commit();
        }
    }
};

// sums = a b over so many steps.
template <bool DEEP_A, bool DEEP_B>
__device__ __forceinline__ void combine(Steps<DEEP_A, DEEP_B>& of, int steps, char* memory, float (&sums)[MI][NI][4]) {
    const int warp = threadIdx.x / 32;
    const Reader<BM, DEEP_A, true, MI> rows(warp / (BN / WN) * WM);
    const Reader<BN, DEEP_B, false, NI> columns(warp % (BN / WN) * WN);
    unsigned a[FETCHED][MI][4], b[FETCHED][NI / 2][4];
    auto fetch = [&](int slot, int k) {
        const char* from = memory + slot * SLOT;
        const Shared address = of.slots + slot * SLOT;
        rows.read(a[k % FETCHED], from, address, k);
        if (SLOPE) {
            unsigned y[MI][4];
            rows.read(y, from + BM * 128, address + BM * 128, k);
            derive(a[k % FETCHED], y);
        }
        columns.read(b[k % FETCHED], from + AT_B, address + AT_B, k);
    };
    int from = 0, into = STAGES - 1;
    for (int step = 0; step < steps; ++step) {
        copy_wait<STAGES - 2>();
        __syncthreads();
        const bool more = step + STAGES - 1 < steps;
#if PRECISION == TF32X3
#pragma unroll
        for (int k = 0; k < STEPS; k += FETCHED) {
#pragma unroll
            for (int d = 0; d < FETCHED; ++d) fetch(from, k + d);
#pragma unroll
            for (int d = 0; d < FETCHED; ++d) of.copy(into, k + d, BK, more);
            multiply_deep(sums, a, b);
        }
#else
        fetch(from, 0);
#pragma unroll
        for (int k = 0; k < STEPS; ++k) {
            if (k + 1 < STEPS) fetch(from, k + 1);
            of.copy(into, k, BK, more);
            multiply(sums, a[k % FETCHED], b[k % FETCHED]);
        }
#endif
        of.advance(BK);
        copy_commit();
        from = from + 1 == STAGES ? 0 : from + 1, into = into + 1 == STAGES ? 0 : into + 1;
    }
    copy_wait<0>();
    __syncthreads();
}

template <bool DEEP_A, bool DEEP_B>
__device__ __forceinline__ void run(const Arrays& of, const Product& g, int block, int activation)
{
    // seek
    extern __shared__ __align__(128) char memory[];
    const Place at(g, block, BM, BN);
    const int depth = smaller(g.each, g.K - at.depth), steps = ceil_div(depth, BK);
    Steps<DEEP_A, DEEP_B> step = {
        Loader<BM, DEEP_A>(of.a + at.before_a(g), g.pitch_a, at.row, g.M, at.depth, 0),
        Loader<BN, DEEP_B>(of.b + at.before_b(g), g.pitch_b, at.column, g.N, at.depth, g.ones),
        SLOPE ? reinterpret_cast<const char*>(of.y) - reinterpret_cast<const char*>(of.a) : 0, shared_address(memory)};

    // combine
    float sums[MI][NI][4] = {}, probe = 0;
    step.start(depth, steps, memory);
    combine(step, steps, memory, sums);

    // write, through shared memory
    typedef Staging<DEEP_A, DEEP_B> Staging;
    static_assert(BM * Staging::PITCH * 4 <= STAGES * SLOT, "the tile does not fit into the steps' memory");
    Staging staged(reinterpret_cast<float*>(memory));
    if (!staged.take(sums, of, g, at, probe)) return;
    if (PRECISION == TF32X3 && __syncthreads_or(probe != 0)) staged.mend(of, g, at);
    __syncthreads();
    staged.write(of, g, at, activation);
}
