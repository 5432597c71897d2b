// Implicit GEMM of a convolution by wgmma: rows are pixels of the result, columns its channels, depth the channels of the
// source, tap after tap. A warpgroup has 64 of the BM rows and all BN columns; STAGES stages of 128 bytes of depth lie in
// shared memory, of which two may be multiplied at once and the others are on their way. ACROSS 0: the weights' memory runs along
// the depth (forward); 1: across it, along the columns (gradient of the input).
//
// In 16 bits the unit reads both operands from shared memory. TF32's unit cuts 13 bits off, and wants a depth that runs along
// rows: A goes through registers, where 16 instructions a thread and stage round it (48 split it), the weights come from
// wgmma_weight, rounded and, ACROSS, turned. To round them in shared memory, where they lie, would move half again as many
// bytes there as the products do, in every block.
#pragma once
#include "../ptx/barrier.cuh"
#include "../ptx/pin.cuh"
#include "wgmma_rows.cuh"
#include "taps.cuh"

static const int STEP = 128 / E;                        // elements of depth of a stage
static const int PASS = THREADS / 8, LOADS_A = BM / PASS;  // rows that a copy of all threads fills
static const bool TURNED = ACROSS && E == 2;            // whether the depth of the weights that are copied runs across
static const int LOADS_B = BN / PASS;
static const int LIMBS = PRECISION == TF32X3 ? 2 : 1;   // numbers that stand for one of B: its big and its small part
static const int A_BYTES = BM * 128, B_BYTES = BN * 128, STAGE = A_BYTES + LIMBS * B_BYTES;
static const int AHEAD = STAGES - 2;                    // stages on their way

struct Operands {
    const T *source, *weight;  // of the group
    const T* ready;            // the weights that are copied; of three TF32 the small parts follow all the big ones
    int taps, depth;           // packs of a tap
    int columns;               // elements
    int apart;                 // packs between two columns of ready; TURNED: between two depths
    int positions, limb;       // of a window; packs from big parts to small ones
    int part, parts;           // of the depth: this block's, and how many there are
};

// What this thread copies of each stage: one pack of some rows of A, and of some columns (TURNED: of one depth) of B.
struct Copies {
    const Operands& o;
    const Table& table;
    const Chunk *source, *ready;
    int from[LOADS_A], first, to_a, to_b, more_taps, more;  // the last two: taps and packs of a stage
    unsigned mask[LOADS_A], there;  // bit l of `there`: the l-th pack of B is a column's
    Depth a, b;

    __device__ __forceinline__ Copies(const Operands& o, const Table& table, int first_column, int first_step)
        : o(o), table(table), there(0)
    {
        const int row = threadIdx.x / 8, chunk = threadIdx.x % 8, deep = own_depth(), beside = threadIdx.x % BESIDE;
        source = reinterpret_cast<const Chunk*>(o.source), ready = reinterpret_cast<const Chunk*>(o.ready);
        more_taps = 8 / o.depth, more = 8 % o.depth;
        pin(more_taps), pin(more);
        a.seek(first_step * 8 + chunk, o.depth), b.seek(first_step * STEP + deep, o.depth * EACH);
        to_a = row * 128 + (chunk ^ row % 8) * 16;
        to_b = A_BYTES + (TURNED ? deep * 128 : to_a);
        first = TURNED ? first_column / EACH + beside : (first_column + row) * o.apart;
#pragma unroll
        for (int l = 0; l < LOADS_A; ++l) from[l] = table.from[row + l * PASS], mask[l] = table.mask[row + l * PASS];
#pragma unroll
        for (int l = 0; l < LOADS_B; ++l) {
            const int column = first_column + (TURNED ? (beside + l * BESIDE) * EACH : row + l * PASS);
            there |= (unsigned)(column < o.columns) << l;
        }
    }

    __device__ __forceinline__ void issue(Shared stage) const {
        const Depth& of_b = TURNED ? b : a;
        const bool real = a.tap < o.taps, real_b = of_b.tap < o.taps;
        const unsigned met = real ? 1u << a.tap : 0u, filled = real_b ? there : 0u;
        const Chunk* from_a = source + (real ? table.source[a.tap] + a.at : 0);
        const Chunk* from_b = ready + first + (real_b ? table.weight[of_b.tap] + of_b.at * (TURNED ? o.apart : 1) : 0);
#pragma unroll
        for (int l = 0; l < LOADS_A; ++l) {
            copy_async(stage + to_a + l * PASS * 128, from_a + from[l], (mask[l] & met) != 0);
        }
#pragma unroll
        for (int l = 0; l < LOADS_B * LIMBS; ++l) {
            // TURNED: blocks of 64 columns follow one another, each of 64 depths
            const int limb = l / LOADS_B, load = l % LOADS_B;
            const int pack = threadIdx.x % BESIDE + load * BESIDE, deep = own_depth();
            const int to = to_b + (TURNED ? pack / 8 * 8192 + (pack ^ deep) % 8 * 16 : load * PASS * 128);
            const Chunk* from = from_b + load * (TURNED ? BESIDE : PASS * o.apart) + limb * o.limb;
            copy_async(stage + to + limb * B_BYTES, from, (filled >> load & 1) != 0);
        }
    }

    __device__ __forceinline__ void next() {
        a.advance(more_taps, more, o.depth);
        if (TURNED) b.advance(more_taps, more * EACH, o.depth * EACH);
    }
};

// The copies of a stage as wgmma's proxy sees it, for those who then meet.
__device__ __forceinline__ void show_stage() {
    copy_wait<AHEAD - 1>();
    fence_proxy();
}

// A stage's products are a group that goes on by itself. meet: the stage is there for all, and nobody multiplies that before
// the last, which the next copies fill.
#if PRECISION == BF16 || PRECISION == FP16
struct Products {
    __device__ __forceinline__ void leave() const {}
    __device__ __forceinline__ void meet(int) const { show_stage(), __syncthreads(); }

    __device__ __forceinline__ void begin(Shared stage, float (&sums)[BN / 2]) const {
        const unsigned at = shared_offset(stage);
        const unsigned long long a = deep_rows(at + threadIdx.x / 128 * 64 * 128);
        const unsigned long long b = TURNED ? across_rows(at + A_BYTES, 8192) : deep_rows(at + A_BYTES);
        wgmma_fence();
#pragma unroll
        for (int piece = 0; piece < 4; ++piece) {
#if PRECISION == BF16
            wgmma_bf16<0, TURNED>(sums, a + 2 * piece, b + (TURNED ? 128 : 2) * piece);
#else
            wgmma_fp16<0, TURNED>(sums, a + 2 * piece, b + (TURNED ? 128 : 2) * piece);
#endif
        }
        wgmma_commit();
    }
    __device__ __forceinline__ void end(float (&)[BN / 2]) const { wgmma_wait<1>(); }
};
#else
// The registers of A cannot be filled while products go on, so that a warpgroup leaves the tensor cores to the other in the
// meantime: they meet when both have begun a stage, not when both have ended it, which lets one be half a stage ahead.
struct Products {
    unsigned a[4][4], small[4][4];
    float apart[BN / 2];
    Shared met;
    __device__ __forceinline__ Products() : apart() {
        __shared__ unsigned long long barrier;
        met = shared_address(&barrier);
        if (threadIdx.x == 0) mbarrier_init(met, THREADS / 32);
        __syncthreads();
    }

    __device__ __forceinline__ void leave() const {
        show_stage();
        __syncwarp();
        if (threadIdx.x % 32 == 0) mbarrier_arrive(met);
    }
    __device__ __forceinline__ void meet(int step) const { mbarrier_wait(met, step % 2); }

    // Of three TF32 a stage's sums begin anew, with the small products: tensor cores cut off what they add
    // (tensor/precision.cuh).
    __device__ __forceinline__ void begin(Shared stage, float (&sums)[BN / 2]) {
        const int lane = threadIdx.x % 32, row = threadIdx.x / 32 * 16 + lane % 16, at = row * 128 + (lane / 16 ^ row % 8) * 16;
        const unsigned long long b = deep_rows(shared_offset(stage) + A_BYTES);
#pragma unroll
        for (int piece = 0; piece < 4; ++piece) {
            load_matrices(a[piece], stage + (at ^ piece * 32));
#pragma unroll
            for (int e = 0; e < 4; ++e) {
                a[piece][e] = LIMBS == 1 ? lifted(a[piece][e]) : split_tf32(a[piece][e], small[piece][e]);
            }
        }
        wgmma_fence();
        if constexpr (LIMBS == 2) {
            wgmma_tf32<false>(apart, small[0], b);
#pragma unroll
            for (int piece = 1; piece < 4; ++piece) wgmma_tf32<true>(apart, small[piece], b + 2 * piece);
#pragma unroll
            for (int piece = 0; piece < 4; ++piece) wgmma_tf32<true>(apart, a[piece], b + B_BYTES / 16 + 2 * piece);
        }
#pragma unroll
        for (int piece = 0; piece < 4; ++piece) wgmma_tf32<true>(LIMBS == 1 ? sums : apart, a[piece], b + 2 * piece);
        wgmma_commit();
    }
    __device__ __forceinline__ void end(float (&sums)[BN / 2]) const {
        wgmma_wait<0>();
#pragma unroll
        for (int i = 0; LIMBS == 2 && i < BN / 2; ++i) sums[i] += apart[i];
    }
};
#endif

// The block's sums, over its part of the depth.
__device__ __forceinline__ void multiply_taps(
    const Operands& o, const Table& table, int first_column, char* area, float (&sums)[BN / 2])
{
    const Shared base = shared_address(area);
    const int all = ceil_div(o.taps * o.depth, 8), most = ceil_div(all, o.parts), before = smaller((i64)o.part * most, all);
    const int steps = smaller((i64)most, all - before);
    Copies copies(o, table, first_column, before);
    Products products;
#pragma unroll
    for (int s = 0; s < AHEAD; ++s) {
        if (s < steps) copies.issue(base + s * STAGE), copies.next();
        copy_commit();
    }
    products.leave();
    int from = 0, into = AHEAD * STAGE;
#pragma unroll 1
    for (int step = 0; step < steps; ++step) {
        products.meet(step);
        products.begin(base + from, sums);
        if (step + AHEAD < steps) copies.issue(base + into), copies.next();
        copy_commit();
        products.leave();
        products.end(sums);
        from = from == (STAGES - 1) * STAGE ? 0 : from + STAGE;
        into = into == (STAGES - 1) * STAGE ? 0 : into + STAGE;
    }
    wgmma_wait<0>();
    copy_wait<0>();
    __syncthreads();
}

// One sum as plain loops have it: products in float, of places inside the source alone.
__device__ __forceinline__ float plain_sum(const Operands& o, const Table& table, int row, int column) {
    const int channels = ACROSS ? o.columns : o.depth * EACH;  // of the source of forward: neighbours in the weights' memory
    const i64 filter = (i64)o.positions * channels;            // elements
    float sum = 0;
    for (int t = 0; t < o.taps; ++t) {
        if (!(table.mask[row] >> t & 1)) continue;
        const int position = table.weight[t] / (TURNED ? channels / EACH : o.depth);
        const T* left = o.source + (i64)(table.from[row] + table.source[t]) * EACH;
        const T* right = o.weight + position * channels + (ACROSS ? column : column * filter);
        for (int d = 0; d < o.depth * EACH; ++d) sum += load(left + d) * load(right + d * (ACROSS ? filter : 1));
    }
    return sum;
}
