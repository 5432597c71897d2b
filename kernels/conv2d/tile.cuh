// The inner part of every tiled kernel: a block multiplies a (depth x BM) by a (depth x BN) matrix, BK of depth a step.
//
// Tile sizes are macros: BM = BN = 128 with 256 threads, or 64 with 64, or those of narrow layers. A thread owns TM x TN
// sums, 8x8 where no macro says less: groups of 4 rows times groups of 4 columns, between which the warp's other lanes have
// theirs, so that a warp reads 64 bytes of a and 128 bytes of b a step, each byte once: no bank conflict. Two buffers, so
// that one barrier a step is enough: while one is read, the other is filled.
#pragma once
#include "axes.cuh"

#ifndef TM
#define TM 8
#define TN 8
#endif
#define THREADS (BM * BN / (TM * TN))
#define BLOCKS (THREADS < 256 ? 384 / THREADS : 1)  // a multiprocessor holds them at least: at most 168, 255 registers
static const int LANE_COLS = BN / TN < 8 ? BN / TN : 8, LANE_ROWS = 32 / LANE_COLS;  // a warp's lanes

// n / d and n % d for n < 2^31 by one multiplication (Granlund and Montgomery, PLDI 1994, figure 4.1).
struct Divider {
    unsigned d, magic, shift;
    __device__ __forceinline__ explicit Divider(unsigned divisor) : d(divisor), shift(0) {
        while (shift < 31 && 1u << shift < d) ++shift;
        magic = (unsigned)(((1ull << 32) * ((1ull << shift) - d)) / d + 1);
    }
    __device__ __forceinline__ unsigned quotient(unsigned n) const {
        return ((unsigned)((unsigned long long)n * magic >> 32) + n) >> shift;
    }
    // n becomes n % d; returns n / d.
    __device__ __forceinline__ unsigned split(unsigned& n) const {
        const unsigned q = quotient(n);
        n -= q * d;
        return q;
    }
};

// Numbers of row-major samples of these sizes, taken apart by their dividers.
template <int RANK> struct Dividers {
    const Dividers<RANK - 1> outer;
    const Divider last;
    __device__ __forceinline__ explicit Dividers(const int* sizes) : outer(sizes), last(sizes[RANK - 1]) {}
    // The place of number n on each axis; returns its sample.
    __device__ __forceinline__ unsigned split(unsigned n, int* at) const {
        unsigned i = n;
        n = last.split(i), at[RANK - 1] = (int)i;
        return outer.split(n, at);
    }
};
template <> struct Dividers<0> {
    __device__ __forceinline__ explicit Dividers(const int*) {}
    __device__ __forceinline__ unsigned split(unsigned n, int*) const { return n; }
};

// The shared memory of a block.
template <int BK> struct __align__(16) Buffers {  // read and written 16 bytes at a time
    ACC a[2][BK][BM], b[2][BK][BN];
};

// This thread's place in the tile.
struct Corner {
    int row, col;
    __device__ __forceinline__ Corner() {
        const int warp = threadIdx.x / 32, lane = threadIdx.x % 32, warps = BM / (LANE_ROWS * TM);  // down the tile
        row = warp % warps * (LANE_ROWS * TM) + lane / LANE_COLS * 4;
        col = warp / warps * (LANE_COLS * TN) + lane % LANE_COLS * 4;
    }
    __device__ __forceinline__ int row_of(int i) const { return row + i / 4 * (LANE_ROWS * 4) + i % 4; }
    __device__ __forceinline__ int col_of(int group) const { return col + group * (LANE_COLS * 4); }
};

// What is stored transposed would put neighbouring depths on one bank: depth k of the tile is stored turned, row (or column)
// i at i ^ turn.
struct Straight {
    static __device__ __forceinline__ int turn(int) { return 0; }
};

// sums += a^T b over BK of depth, a and b turned as they were stored.
template <typename A, typename B, int BK, int M, int N>
__device__ __forceinline__ void multiply(
    const ACC (&a)[BK][M], const ACC (&b)[BK][N], const Corner& at, ACC (&sums)[TM][TN])
{
#pragma unroll
    for (int k = 0; k < BK; ++k) {
        Pack<ACC> left[TM / 4], right[TN / 4];
#pragma unroll
        for (int i = 0; i < TM / 4; ++i) left[i] = load_pack(&a[k][at.row_of(i * 4) ^ A::turn(k)]);
#pragma unroll
        for (int j = 0; j < TN / 4; ++j) right[j] = load_pack(&b[k][at.col_of(j) ^ B::turn(k)]);
#pragma unroll
        for (int i = 0; i < TM; ++i) {
#pragma unroll
            for (int j = 0; j < TN; ++j) sums[i][j] += left[i / 4].item[i % 4] * right[j / 4].item[j % 4];
        }
    }
}

// A pack of storage goes to shared memory as sums. With 8 elements a pack, lanes 4 apart would meet on a bank: every other
// four lanes store their halves in swapped order.
__device__ __forceinline__ void widen(ACC* to, const Pack<T>& pack) {
    const int size = PackOf<T>::size;
#pragma unroll
    for (int j = 0; j < size / 4; ++j) {
        const bool swap = size == 8 && threadIdx.x / 4 % 2;
        Pack<ACC> four;
#pragma unroll
        for (int i = 0; i < 4; ++i) {
            const T mine = pack.item[j * 4 + i], other = pack.item[size - 4 - j * 4 + i];
            four.item[i] = swap ? load(&other) : load(&mine);
        }
        store_pack(to + (swap ? size - 4 - j * 4 : j * 4), four);
    }
}

// Four neighbours, moved by one access where `whole` (their address is then a multiple of their size), else the first `count`.
template <typename S> __device__ __forceinline__ void store_four(S* p, const ACC* v, int count, bool whole) {
    struct alignas(16) Four {
        S item[4];
    } four;
#pragma unroll
    for (int j = 0; j < 4; ++j) store(&four.item[j], v[j]);
    if (whole && sizeof(S) == 4) {
        *reinterpret_cast<uint4*>(p) = *reinterpret_cast<const uint4*>(&four);
    } else if (whole && sizeof(S) == 2) {
        *reinterpret_cast<uint2*>(p) = *reinterpret_cast<const uint2*>(&four);
    } else {
#pragma unroll
        for (int j = 0; j < 4; ++j) {
            if (j < count) p[j] = four.item[j];
        }
    }
}

// Adds bias[column] to every sum of a column of the tile.
__device__ __forceinline__ void add_bias(
    const T* bias, int first_column, int columns, const Corner& at, ACC (&sums)[TM][TN])
{
#pragma unroll
    for (int j = 0; j < TN; ++j) {
        const int column = first_column + at.col_of(j / 4) + j % 4;
        const ACC v = column < columns ? load(bias + column) : (ACC)0;
#pragma unroll
        for (int i = 0; i < TM; ++i) sums[i][j] += v;
    }
}

// Four neighbours as sums, as store_four moves them; 0 behind the first `count`.
template <typename S> __device__ __forceinline__ void load_four(const S* p, ACC* v, int count, bool whole) {
    struct alignas(16) Four {
        S item[4];
    } four = {};
    if (whole && sizeof(S) == 4) {
        *reinterpret_cast<uint4*>(&four) = *reinterpret_cast<const uint4*>(p);
    } else if (whole && sizeof(S) == 2) {
        *reinterpret_cast<uint2*>(&four) = *reinterpret_cast<const uint2*>(p);
    } else {
#pragma unroll
        for (int j = 0; j < 4; ++j) {
            if (j < count) four.item[j] = p[j];
        }
    }
#pragma unroll
    for (int j = 0; j < 4; ++j) v[j] = load(&four.item[j]);
}

// Adds to the sums what lies as they will, in rows of `pitch` elements, wherever it begins; `whole`: as store_tile has it.
__device__ __forceinline__ void add_rows(
    const T* from, int pitch, const Corner& at, int first_row, int rows, int first_column, int columns, bool whole,
    ACC (&sums)[TM][TN])
{
    whole = whole && reinterpret_cast<size_t>(from) % (4 * sizeof(T)) == 0;
#pragma unroll
    for (int i = 0; i < TM; ++i) {
        const int row = first_row + at.row_of(i);
        if (row >= rows) continue;
#pragma unroll
        for (int half = 0; half < TN / 4; ++half) {
            const int column = first_column + at.col_of(half);
            if (column >= columns) continue;
            ACC more[4];
            load_four(from + (i64)row * pitch + column, more, columns - column, whole);
#pragma unroll
            for (int j = 0; j < 4; ++j) sums[i][half * 4 + j] += more[j];
        }
    }
}

// Writes the sums of the tile's rows below `rows` and columns below `columns`. start(row): where that row's columns start;
// `whole`: every row starts on a multiple of four elements' size, and has a multiple of four columns.
template <typename Start>
__device__ __forceinline__ void store_tile(
    const ACC (&sums)[TM][TN], const Corner& at, int first_row, int rows, int first_column, int columns, bool whole,
    const Start& start)
{
#pragma unroll
    for (int i = 0; i < TM; ++i) {
        const int row = first_row + at.row_of(i);
        if (row >= rows) continue;
        const auto to = start(row);
#pragma unroll
        for (int half = 0; half < TN / 4; ++half) {
            const int column = first_column + at.col_of(half);
            if (column < columns) store_four(to + column, &sums[i][half * 4], columns - column, whole);
        }
    }
}
