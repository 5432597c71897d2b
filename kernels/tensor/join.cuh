// A block's sums in shared memory: they leave it, alone or joined with those of the blocks that have other parts of the depth,
// in whole lines of 16 bytes. Macros BM, BN, WM, WN: rows and columns of a block and of a warp.
#pragma once
#include "ticket.cuh"

static const int WARPS = BM / WM * (BN / WN), THREADS = 32 * WARPS;
static const int FOURS = BN / 4;  // of a row
static const i64 SLOT = BM * BN + BM;  // a tile's part: its sums, and one beside each row
static const int ADDED = 8;  // parts that are on their way before the first is added

// Four neighbouring sums are a pack. In 16 bits a fragment writes two columns of four rows at once, in TF32 four of two rows
// (two or four apart): each row has its packs in another order, so that these meet all banks.
struct Sums {
    ACC* sums;  // (BM, BN), and BM beside
    __device__ __forceinline__ ACC* pack(int row, int four) const {
        return sums + row * BN + (four ^ (sizeof(T) == 2 ? row % 4 * 2 : row / (WM < 32 ? 2 : 4) % 2)) * 4;
    }
    __device__ __forceinline__ ACC* beside() const { return sums + BM * BN; }
};

// What of a tile is real: rows and columns of the result from its first ones on; and packs, a thread's by turns.
struct Extent {
    int rows, columns;
    template <typename Each> __device__ __forceinline__ void packs(const Each& each) const {
#pragma unroll 1
        for (int p = threadIdx.x; p < BM * FOURS; p += THREADS) {
            if (p / FOURS < rows && p % FOURS * 4 < columns) each(p / FOURS, p % FOURS, p);
        }
    }
    template <typename Each> __device__ __forceinline__ void each_row(const Each& each) const {
#pragma unroll 1
        for (int row = threadIdx.x; row < BM && row < rows; row += THREADS) each(row);
    }
};

__device__ __forceinline__ void leave_part(ACC* slot, const Sums& tile, const Extent& extent) {
    extent.packs([&](int row, int four, int p) { store_pack(slot + p * 4, load_pack(tile.pack(row, four))); });
    extent.each_row([&](int row) { slot[BM * BN + row] = tile.beside()[row]; });
}

// The tile becomes the sum of `count` parts, in order.
__device__ __forceinline__ void add_parts(const ACC* slot, i64 apart, int count, const Sums& tile, const Extent& extent) {
    extent.packs([&](int row, int four, int p) {
        Pack<ACC> sum = {};
        const ACC* from = slot + p * 4;
#pragma unroll 1
        for (int j = 0; j < count; j += ADDED, from += ADDED * apart) {
            Pack<ACC> part[ADDED];
#pragma unroll
            for (int k = 0; k < ADDED; ++k) {
                part[k] = Pack<ACC>{};
                if (j + k < count) part[k] = load_pack(from + k * apart);
            }
#pragma unroll
            for (int k = 0; k < ADDED; ++k) {
#pragma unroll
                for (int e = 0; e < 4; ++e) sum.item[e] += part[k].item[e];
            }
        }
        store_pack(tile.pack(row, four), sum);
    });
    extent.each_row([&](int row) {
        ACC sum = 0;
        for (int j = 0; j < count; ++j) sum += slot[BM * BN + row + j * apart];
        tile.beside()[row] = sum;
    });
}

// Leaves this block's sums among the parts. True in the block that has been the last of all: its sums are the whole ones. A
// thread reads and writes the same packs throughout: no barrier is wanted for these.
__device__ __forceinline__ bool join(const Split& o, const Sums& tile, const Extent& extent) {
    const i64 apart = o.tiles * SLOT;
    ACC* slots = o.parts + o.tile * SLOT;
    return join_rounds(
        o, [&](int part) { leave_part(slots + part * apart, tile, extent); },
        [&](int first, int step, int count) { add_parts(slots + first * apart, apart * step, count, tile, extent); });
}

// Into rows of memory: start(row) is where that of the tile's first column lies, a multiple of four elements.
template <typename Start>
__device__ __forceinline__ void store_sums(const Sums& tile, const Extent& extent, const Start& start) {
    extent.packs([&](int row, int four, int) {
        const Pack<ACC> sums = load_pack(tile.pack(row, four));
        T* to = start(row) + four * 4;
        if constexpr (sizeof(T) == 4) {
            *reinterpret_cast<uint4*>(to) = *reinterpret_cast<const uint4*>(&sums);
        } else {
            __align__(8) T out[4];
#pragma unroll
            for (int e = 0; e < 4; ++e) store(&out[e], sums.item[e]);
            *reinterpret_cast<uint2*>(to) = *reinterpret_cast<const uint2*>(out);
        }
    });
}
