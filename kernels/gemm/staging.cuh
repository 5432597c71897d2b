// A tile's sums on their way to memory: parts of a split depth joined, what is not finite added up anew, whole rows written.
#pragma once
#include "../tensor/rows.cuh"
#include "join.cuh"
#include "operand.cuh"

struct Arrays {  // of one product
    const T *a, *b, *bias, *y;
    T *c, *gb;
    ACC* parts;
    int* tickets;
};

// An element of c by itself: where the numbers of a sum cannot be split, NaN and infinities among them.
template <bool DEEP_A, bool DEEP_B>
__device__ __forceinline__ float plain(const Arrays& of, const Product& g, const Place& at, int row, int column) {
    const i64 a = at.before_a(g) + (DEEP_A ? (i64)row * g.pitch_a : row);
    const T* b = of.b + at.before_b(g) + (DEEP_B ? (i64)column * g.pitch_b : column);
    float sum = 0;
    for (int k = 0; k < g.K; ++k) {
        const i64 from = a + (DEEP_A ? k : (i64)k * g.pitch_a);
        float v = load(of.a + from);
        if (SLOPE) v = derived(v, load(of.y + from), SLOPE);
        sum += column < g.N ? v * load(b + (DEEP_B ? k : (i64)k * g.pitch_b)) : v;
    }
    return sum;
}

struct Four {  // neighbouring sums
    float v[4];
    // NaN where one of them is not finite, else 0.
    __device__ __forceinline__ float probe() const { return v[0] * 0 + v[1] * 0 + v[2] * 0 + v[3] * 0; }
};

// The block's sums in shared memory, rows in the order of a's fragments, columns in their own.
template <bool DEEP_A, bool DEEP_B> struct Staging {
    static const bool IS_WORDS = !DEEP_B && E == 4;
    static const int PITCH = BN + (IS_WORDS ? 4 : 8);  // what the lanes of one access write meets on no bank
    static_assert(!IS_WORDS || NI % 4 == 0, "wide floats take four columns of b at once");
    float *all, *mine;

    __device__ __forceinline__ Staging(float* memory) : all(memory) {
        const int warp = threadIdx.x / 32, g = threadIdx.x % 32 / 4, t = threadIdx.x % 4;
        mine = all + (warp / (BN / WN) * WM + g) * PITCH + warp % (BN / WN) * WN + t * (IS_WORDS ? 8 : 2);
    }
    // The u-th four of MI * NI that a thread holds: of one row, or of one fragment two of each of its rows.
    static __device__ __forceinline__ Four four(const float (&sums)[MI][NI][4], int u) {
        Four of;
        const int i = u / NI, j = u % NI;
#pragma unroll
        for (int m = 0; m < 4; ++m) of.v[m] = IS_WORDS ? sums[i][j / 4 * 4 + m][j % 4] : sums[i][j][m];
        return of;
    }
    __device__ __forceinline__ void put(int u, const Four& of, float& probe) {
        probe += of.probe();
        const int i = u / NI, j = u % NI;
        if (IS_WORDS) {
            store_four(mine + (i * 16 + j % 4 / 2 * 8) * PITCH + j / 4 * 32 + j % 2 * 4, of.v);
        } else {
            float* to = mine + i * 16 * PITCH + j * 8;
            *reinterpret_cast<float2*>(to) = make_float2(of.v[0], of.v[1]);
            *reinterpret_cast<float2*>(to + 8 * PITCH) = make_float2(of.v[2], of.v[3]);
        }
    }
    static __device__ __forceinline__ int row_of(int line) {
        return line / WM * WM + Reader<BM, DEEP_A, true, MI>::row_of(line % WM);
    }

    // The sums of a block, all the depth's or a part's, which the last block joins; false in the others. NaN goes to
    // `probe` where one is not finite.
    __device__ __forceinline__ bool take(
        const float (&sums)[MI][NI][4], const Arrays& of, const Product& g, const Place& at, float& probe)
    {
        const int fours = MI * NI;
        if (g.parts == 1) {
#pragma unroll
            for (int u = 0; u < fours; ++u) put(u, four(sums, u), probe);
            return true;
        }
        float* parts = of.parts + (i64)at.tile * g.parts * (BM * BN) + threadIdx.x * 4;  // a thread's fours lie THREADS apart
#pragma unroll
        for (int u = 0; u < fours; ++u) {
            store_four(parts + (i64)(at.part * fours + u) * THREADS * 4, four(sums, u).v);
        }
        if (!is_last(of.tickets + at.tile, g.parts)) return false;
#pragma unroll 4
        for (int u = 0; u < fours; ++u) {
            Four sum;
            load_four(parts + (i64)u * THREADS * 4, sum.v);
            for (int other = 1; other < g.parts; ++other) {
                Four more;
                load_four(parts + (i64)(other * fours + u) * THREADS * 4, more.v);
#pragma unroll
                for (int e = 0; e < 4; ++e) sum.v[e] += more.v[e];
            }
            put(u, sum, probe);
        }
        return true;
    }

    // Adds up anew what is not finite.
    __device__ void mend(const Arrays& of, const Product& g, const Place& at) {
        for (int i = threadIdx.x; i < BM * BN; i += THREADS) {
            const int row = at.row + row_of(i / BN), column = at.column + i % BN;
            float& v = all[i / BN * PITCH + i % BN];
            if (v * 0 != 0 && row < g.M && column < g.columns()) v = plain<DEEP_A, DEEP_B>(of, g, at, row, column);
        }
    }

    // Writes c through bias and activation; column N goes to gb.
    __device__ __forceinline__ void write(const Arrays& of, const Product& g, const Place& at, int activation) const {
        const int runs = BN / EACH;
        T* c = of.c + (i64)at.batch * g.M * g.N;
#pragma unroll 2
        for (int i = threadIdx.x; i < BM * runs; i += THREADS) {
            const int run = i % runs, row = at.row + row_of(i / runs), column = at.column + run * EACH;
            if (row >= g.M || column >= g.columns()) continue;
            float v[EACH];
            load_sums(all + i / runs * PITCH + run * EACH, EACH == 8 && run & 4, v);
            T* to = c + (i64)row * g.N + column;
            const bool whole = g.N % EACH == 0 && column < g.N;
#pragma unroll
            for (int e = 0; e < EACH; ++e) {
                if (column + e < g.N) {
                    v[e] = activated(of.bias ? v[e] + load(of.bias + column + e) : v[e], activation);
                    if (!whole) store(to + e, v[e]);
                }
                if (g.ones && column + e == g.N) store(of.gb + row, v[e]);
            }
            if (whole) store_each(to, v);
        }
    }
};
