// An operand of a product on tensor cores: how a step of it is copied to shared memory, and read there as fragments.
//
// A step is SIDE rows of a, or columns of b, by BK of depth: 128 bytes of depth in pieces of 16. A deep operand lies in
// lines of 128 bytes along the depth, one a row; a wide one in lines along its side, one a depth. In each line the pieces
// are turned by XOR, so that neither copies nor fragments meet on a bank. ldmatrix reads a deep operand, transposing it a
// wide one of 16 bits; wide floats are read VEC rows at once, so that fragments take their rows in another order.
#pragma once
#include "geometry.cuh"
#include "../tensor/precision.cuh"

#define THREADS ((BM / WM) * (BN / WN) * 32)

static const int BK = 128 / E, STEPS = 4;  // the depth of a step, of which one mma takes 32 bytes
static const int MI = WM / 16, NI = WN / 8;

// Copies an operand's steps: which pieces of them are this thread's, and where they go.
template <int SIDE, bool DEEP> struct Loader {
    static const int BYTES = SIDE * 128;                                 // of a step
    static const int LINE = DEEP ? 128 : SIDE * E, RUNS = LINE / 16;      // bytes and pieces of a line
    static const int PASS = THREADS / RUNS, COPIES = BYTES / 16 / THREADS;  // lines at once; pieces a thread
    static_assert(PASS % (DEEP || E == 2 ? 8 : 4) == 0, "a thread's lines must be turned alike");
    const char* from;  // the tile's first element of the step that comes next: the same in all threads
    unsigned first, next;  // bytes from there to this thread's first piece, and from one piece to the next
    int ahead;         // bytes of one depth
    int line, run, at;
    unsigned inside;   // of which pieces, a bit each
    bool is_ones;      // whether these columns start with that of ones, which is in place already

    static __device__ __forceinline__ int turn(int line) { return DEEP || E == 2 ? (line & 7) * 16 : (line & 3) * 32; }

    __device__ __forceinline__ Loader(const T* base, int pitch, int top, int all, int depth, int ones) {
        line = threadIdx.x / RUNS, run = threadIdx.x % RUNS;
        at = line * LINE + (run * 16 ^ turn(line));
        const int side = top + (DEEP ? line : run * EACH);
        from = reinterpret_cast<const char*>(base + (DEEP ? (i64)top * pitch + depth : (i64)depth * pitch + top));
        first = (unsigned)(line * pitch + run * EACH) * E;
        next = (unsigned)(PASS * pitch) * E;
        ahead = (DEEP ? 1 : pitch) * E;
        is_ones = !DEEP && ones && side == all;
        inside = 0;
#pragma unroll
        for (int l = 0; l < COPIES; ++l) inside |= (side + (DEEP ? l * PASS : 0) < all ? 1u : 0u) << l;
    }
    // The l-th piece, of a step of so much depth; one of BK is not asked where it ends. Of no `live` piece, also when no
    // step is left, zeros are copied, which nobody reads: that takes no branch.
    __device__ __forceinline__ void copy(Shared to, int l, int depth, unsigned live) const {
        const bool has = depth == BK || (DEEP ? run * EACH : line + l * PASS) < depth;
        if (!is_ones) copy_async(to + at + l * PASS * LINE, from + (first + next * l), (live & 1u << l) && has);
    }
    __device__ __forceinline__ void advance(int depth) { from += (i64)depth * ahead; }

    // Writes the column of ones.
    __device__ __forceinline__ void place_ones(char* to) const {
        if (!is_ones) return;
#pragma unroll
        for (int l = 0; l < COPIES; ++l) {
            Pack<T> pack;
#pragma unroll
            for (int j = 0; j < EACH; ++j) store(&pack.item[j], j ? 0.0f : 1.0f);
            store_pack(reinterpret_cast<T*>(to + at + l * PASS * LINE), pack);
        }
    }
};

// Where a lane finds its share of the fragments of an operand, of which its warp's part starts at row or column `first`.
// COUNT fragments: 16 rows each of a, or 8 columns each of b.
template <int SIDE, bool DEEP, bool IS_A, int COUNT> struct Reader {
    static const bool IS_WORDS = !DEEP && E == 4;
    static const int VEC = COUNT < 4 ? COUNT : 4;  // fragments whose words lie side by side
    int at;

    __device__ __forceinline__ Reader(int first) {
        const int lane = threadIdx.x % 32, low = lane >> 3 & 1, high = lane >> 4;
        const int side = IS_A ? low : high, half = IS_A ? high : low;  // which 8 rows, and which half of the depth
        if (IS_WORDS) {
            at = lane % 4 * (SIDE * 4) + ((first + lane / 4 * VEC) * 4 ^ lane % 4 * 32);
        } else if (DEEP) {
            at = (first + side * 8 + lane % 8) * 128 + (half * 16 ^ lane % 8 * 16);
        } else {
            at = (half * 8 + lane % 8) * (SIDE * 2) + ((first + side * 8) * 2 ^ lane % 8 * 16);
        }
    }
    // The fragments at depth step k of STEPS: of 16 rows, or of twice 8 columns.
    template <int N>
    __device__ __forceinline__ void read(unsigned (&v)[N][4], const char* slot, Shared address, int k) const {
        if constexpr (IS_WORDS) {
            struct alignas(VEC * 4) Words { unsigned item[VEC]; };
#pragma unroll
            for (int d = 0; d < 2; ++d) {
#pragma unroll
                for (int q = 0; q < COUNT * (IS_A ? 2 : 1) / VEC; ++q) {
                    const char* there = slot + (k * 8 + d * 4) * (SIDE * 4) + (at ^ q * 32 * VEC);
                    Words words;
                    if constexpr (VEC == 4) *reinterpret_cast<uint4*>(&words) = *reinterpret_cast<const uint4*>(there);
                    else if constexpr (VEC == 2) *reinterpret_cast<uint2*>(&words) = *reinterpret_cast<const uint2*>(there);
                    else words = *reinterpret_cast<const Words*>(there);
#pragma unroll
                    for (int m = 0; m < VEC; ++m) {
                        if (IS_A) v[q / 2 * VEC + m][q % 2 + 2 * d] = words.item[m];
                        else v[(q * VEC + m) / 2][m % 2 * 2 + d] = words.item[m];
                    }
                }
            }
        } else {
#pragma unroll
            for (int i = 0; i < N; ++i) {
                if (DEEP) load_matrices(v[i], address + (at ^ k * 32) + i * 16 * 128);
                else load_matrices_transposed(v[i], address + k * 16 * (SIDE * 2) + (at ^ i * 32));
            }
        }
    }
    // The tile's row behind row r of the fragments, one after the other.
    static __device__ __forceinline__ int row_of(int r) {
        if (!IS_WORDS) return r;
        const int i = r / 16, half = r / 8 % 2, g = r % 8;
        return (i / VEC * 2 + half) * 8 * VEC + g * VEC + i % VEC;
    }
};
