// The inner part of the tiled product: a block multiplies a (BM x depth) by a (depth x BN) matrix, BK of depth a step.
//
// Tiles: 128x128 with 8x8 sums a thread, 64x64 with 8x4, 32x32 with 4x4. A warp is 4x8 threads, whose sums are groups of
// 4 rows and of 4 columns: it reads 64 bytes of a and 128 bytes of b a step, each byte once. Two buffers, so that one
// barrier a step is enough: while one is read, the other is filled.
#pragma once
#include "../common.cuh"

#define TM (BM == 32 ? 4 : 8)
#define TN (BM == 128 ? 8 : 4)
#define THREADS (BM / TM * (BN / TN))

// The shared memory of a block. Depth k of a tile is stored turned: row (or column) i at i ^ turn(k).
struct __align__(16) Buffers {  // read and written 16 bytes at a time
    ACC a[2][BK][BM], b[2][BK][BN];
};

// What is read along the depth is stored across it: lanes at neighbouring depths would meet on one bank.
__device__ __forceinline__ int turn(int k) { return k / VEC * larger(4, 32 * VEC / BK) % 32; }

// This thread's place in the tile: its first row and column, and those of its other groups of 4.
struct Corner {
    int row, col;
    __device__ __forceinline__ Corner() {
        const int warp = threadIdx.x / 32, lane = threadIdx.x % 32, across = BN / TN / 8;
        row = (warp / across * 4 + lane / 8) * 4;
        col = (warp % across * 8 + lane % 8) * 4;
    }
    static __device__ __forceinline__ int row_group(int g) { return g * (BM / TM * 4); }
    static __device__ __forceinline__ int col_group(int g) { return g * (BN / TN * 4); }
    __device__ __forceinline__ int row_of(int i) const { return row + row_group(i / 4) + i % 4; }
    __device__ __forceinline__ int col_of(int j) const { return col + col_group(j / 4) + j % 4; }
};

// Four neighbouring sums; p is a multiple of their size.
__device__ __forceinline__ void load_four(const ACC* p, ACC* v) {
    const int size = PackOf<ACC>::size;
#pragma unroll
    for (int i = 0; i < 4; i += size) {
        const Pack<ACC> pack = load_pack(p + i);
#pragma unroll
        for (int j = 0; j < size; ++j) v[i + j] = pack.item[j];
    }
}

__device__ __forceinline__ void store_four(ACC* p, const ACC* v) {
    const int size = PackOf<ACC>::size;
#pragma unroll
    for (int i = 0; i < 4; i += size) {
        Pack<ACC> pack;
#pragma unroll
        for (int j = 0; j < size; ++j) pack.item[j] = v[i + j];
        store_pack(p + i, pack);
    }
}

// sums += a b over BK of depth.
__device__ __forceinline__ void multiply(
    const ACC (&a)[BK][BM], const ACC (&b)[BK][BN], const Corner& at, ACC (&sums)[TM][TN])
{
#pragma unroll
    for (int k = 0; k < BK; ++k) {
        ACC left[TM], right[TN];
#pragma unroll
        for (int i = 0; i < TM; i += 4) load_four(&a[k][(at.row + Corner::row_group(i / 4)) ^ turn(k)], left + i);
#pragma unroll
        for (int j = 0; j < TN; j += 4) load_four(&b[k][(at.col + Corner::col_group(j / 4)) ^ turn(k)], right + j);
#pragma unroll
        for (int i = 0; i < TM; ++i) {
#pragma unroll
            for (int j = 0; j < TN; ++j) sums[i][j] += left[i] * right[j];
        }
    }
}

// VEC elements as they were fetched.
struct alignas(sizeof(T) * VEC) Run {
    T item[VEC];
};

__device__ __forceinline__ Run fetch_run(const T* p) {
    Run run;
    if constexpr (VEC == 1) {
        run.item[0] = *p;
    } else {
        *reinterpret_cast<uint4*>(&run) = *reinterpret_cast<const uint4*>(p);
    }
    return run;
}

// One operand's share of a tile, SIDE rows (of a) or columns (of b): which elements this thread fetches, and where they go.
// Deep: neighbours in memory are neighbours of the depth; else they are neighbours along the side. A run of VEC is one
// access either way, and reaches shared memory as one access or as one element a depth.
template <int SIDE> struct Loader {
    static const int LOADS = SIDE * BK / (VEC * THREADS);
    const T* from;   // the run that this thread fetches first, at the depth that comes next
    i64 forth;       // elements from one step's depth to the next
    int next;        // elements from one of its runs to the next
    int line, k;     // the first run's place in the tile: row or column, and depth
    int more_line, more_k;  // from one run's place to the next's
    int lines;       // rows or columns that there are
    bool deep;

    __device__ __forceinline__ Loader(const T* base, int pitch, bool deep, int first, int lines, int depth)
        : lines(lines - first), deep(deep) {
        const int me = threadIdx.x, runs = deep ? BK / VEC : SIDE / VEC, apart = THREADS / runs;
        line = deep ? me / runs : me % runs * VEC, k = deep ? me % runs * VEC : me / runs;
        more_line = deep ? apart : 0, more_k = deep ? 0 : apart;
        next = apart * pitch, forth = deep ? BK : (i64)BK * pitch;
        from = base + (deep ? (i64)(first + line) * pitch + (depth + k) : (i64)(depth + k) * pitch + (first + line));
    }
    // Whether run l is inside, where so much depth is left.
    __device__ __forceinline__ bool inside(int l, int left) const {
        return line + l * more_line < lines && k + l * more_k < left;
    }
    // Whether run l starts at this row or column of all.
    __device__ __forceinline__ bool starts_at(int l, int place) const { return line + l * more_line == place; }

    __device__ __forceinline__ void keep(ACC (&to)[BK][SIDE], int l, const ACC (&v)[VEC]) const {
        const int row = line + l * more_line, depth = k + l * more_k;
        if (VEC == 1 || deep) {
#pragma unroll
            for (int j = 0; j < VEC; ++j) to[depth + j][row ^ turn(depth)] = v[j];
        } else {
            ACC* start = to[depth];
            const int at = row ^ turn(depth);
            const int size = PackOf<ACC>::size;
#pragma unroll
            for (int i = 0; i < VEC; i += size) {
                Pack<ACC> pack;
#pragma unroll
                for (int j = 0; j < size; ++j) pack.item[j] = v[(i + j) % VEC];
                store_pack(start + (i < 4 ? at : at ^ 4), pack);
            }
        }
    }
};
