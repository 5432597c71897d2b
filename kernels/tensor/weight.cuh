// The gradient of a convolution's weight on tensor cores: rows are filters, columns the taps' channels, depth the pixels.
// Both operands lie in memory pixel by pixel, so that a tile's pixel is a row of shared memory and the depth its outer axis.
//
// Macros: PRECISION; BM, BN filters and columns of a block, WM, WN of a warp; BK pixels of a stage; STAGES; HELD, blocks that
// a multiprocessor should hold.
#pragma once
#include "join.cuh"
#include "precision.cuh"
#include "../ptx/load.cuh"
#include "../ptx/pin.cuh"

static const int STAGE = BK * (BM + BN) * E, LIMBS = BK / DEPTH;  // bytes of a stage; products deep
static const int SHARES = LIMBS / 2;  // of a stage's copies, which every other product begins
static const int MI = WM / 16, NI = WN / 8;
static const int TOGETHER = 2;  // of three TF32: products whose sums floats add up, at once
static_assert(BK <= THREADS && LIMBS * DEPTH == BK, "a thread looks up a pixel of each stage");
static_assert(E == 2 || WN % 32 == 0, "16 bytes serve four columns");

// ---------------------------------------------------------------- where things lie
struct Axis { int in, taps, out, stride, pad, dil; };  // sizes of x, the window and y along it

typedef int2 Pixel;  // x: where its first tap lies in x, in units of 16 bytes; y: a bit a tap of each axis, 1 inside x

// A pixel of each stage, which a thread walks with carries in place of divisions.
template <int RANK> struct Walk {
    int left, image, images, at[RANK], step[RANK];  // left: pixels from here to the end of the part

    __device__ __forceinline__ Walk(const Axis (&axes)[RANK], int pixel, int end) : left(end - pixel) {
        int jump = BK;
#pragma unroll
        for (int a = RANK - 1; a >= 0; --a) {
            at[a] = pixel % axes[a].out, pixel /= axes[a].out;
            step[a] = jump % axes[a].out, jump /= axes[a].out;
        }
        image = pixel, images = jump;
    }

    __device__ __forceinline__ Pixel here(const Axis (&axes)[RANK], int unit) const {
        int start = image;
        int taps = 0, bit = 1;
#pragma unroll
        for (int a = 0; a < RANK; ++a) {
            const int first = at[a] * axes[a].stride - axes[a].pad;
            start = start * axes[a].in + first;
            const int end = bit << axes[a].taps;
            int place = first;
#pragma unroll 1
            do {
                if (within(place, axes[a].in)) taps |= bit;
                bit += bit, place += axes[a].dil;
            } while (bit != end);
        }
        return make_int2(start * unit, left > 0 ? taps : 0);
    }

    __device__ __forceinline__ void next(const Axis (&axes)[RANK]) {
        left -= BK;
        int carry = 0;
#pragma unroll
        for (int a = RANK - 1; a >= 0; --a) {
            at[a] += step[a] + carry;
            carry = at[a] >= axes[a].out;
            if (carry) at[a] -= axes[a].out;
        }
        image += images + carry;
    }
};

// One side of a stage, WIDTH items a pixel. Of each run of SPAN 16-byte pieces (up to 128 bytes) the order is twisted by the
// pixel, so that eight lanes which read one piece of eight pixels (ldmatrix), or two of four (TF32), meet all banks.
template <int WIDTH> struct Side {
    static const int PIECES = WIDTH * E / 16, SPAN = PIECES < 8 ? PIECES : 8, ROW = WIDTH * E;
    static const int STEP = THREADS / PIECES, LOADS = (BK + STEP - 1) / STEP;  // pixels between a thread's, and how many
    static const int PERIOD = STEP % 8 == 0 ? 1 : 8 / STEP;  // of its loads that are twisted in different ways
    static_assert(PIECES % SPAN == 0 && THREADS % PIECES == 0, "threads keep their pieces");

    __device__ static __forceinline__ int place(int pixel, int piece) {
        const int turn = pixel * SPAN / 8;
        return pixel * ROW + (piece ^ (E == 2 ? turn % SPAN : turn % 4 * 2 % SPAN)) * 16;
    }

    int piece, pixel, to[PERIOD];
    __device__ __forceinline__ Side() : piece(threadIdx.x % PIECES), pixel(threadIdx.x / PIECES) {
        pin(pixel);
#pragma unroll
        for (int l = 0; l < PERIOD; ++l) to[l] = place(pixel + l * STEP, piece) - l * STEP * ROW, pin(to[l]);
    }
    __device__ __forceinline__ bool has(int l) const { return BK % STEP == 0 || pixel + l * STEP < BK; }
    __device__ __forceinline__ Shared of(Shared side, int l) const { return side + to[l % PERIOD] + l * STEP * ROW; }
};

// ---------------------------------------------------------------- fragments
// W items (rows of A or columns of B) of a warp from one side, one DEPTH. In 16 bits ldmatrix transposes. In TF32 a thread
// takes 16 bytes (W = 16: 8) of pixels t and t + 4: item 4g + e is number g of the e-th eight, so that four eights are filled
// by one access; eighth(o, g) says which item of the warp's that is.
template <int W, int WIDTH> struct Fragments {
    static const int EIGHTS = W / 8, RUN = W < 32 ? 2 : 4;  // eights that one access of TF32 fills
    static const int OFFSETS = E == 2 ? EIGHTS / 2 : 1;
    int from[OFFSETS];

    __device__ static __forceinline__ int eighth(int o, int g) { return E == 2 ? o * 8 + g : o / RUN * RUN * 8 + g * RUN + o % RUN; }

    // down: whether the lanes of ldmatrix go through pixels first (B), or through items (A).
    __device__ __forceinline__ Fragments(int first, bool down) {
        const int lane = threadIdx.x % 32, upper = lane / 16, lower = lane / 8 % 2, g = lane / 4, t = lane % 4;
#pragma unroll
        for (int o = 0; o < OFFSETS; ++o) {
            const int pixel = (down ? lower : upper) * 8 + lane % 8, piece = first / 8 + o * 2 + (down ? upper : lower);
            from[o] = E == 2 ? Side<WIDTH>::place(pixel, piece)
                             : Side<WIDTH>::place(t, first / 4 + g * RUN / 4) + g * RUN % 4 * 4;
            pin(from[o]);
        }
    }

#if PRECISION == BF16 || PRECISION == FP16
    template <bool OF_B> __device__ __forceinline__ void fetch(unsigned (&v)[EIGHTS / 2][4], Shared side, int limb) const {
#pragma unroll
        for (int o = 0; o < OFFSETS; ++o) load_matrices_transposed(v[o], side + from[o] + limb * DEPTH * WIDTH * E);
    }
#else
    // v[i]: as a fragment of A: eights i and i + EIGHTS / 2; of B: 2i and 2i + 1.
    template <bool OF_B> __device__ __forceinline__ void fetch(unsigned (&v)[EIGHTS / 2][4], Shared side, int limb) const {
#pragma unroll
        for (int half = 0; half < 2; ++half) {
#pragma unroll
            for (int run = 0; run < EIGHTS / RUN; ++run) {
                unsigned items[RUN];
                load_shared(items, side + from[0] + (limb * DEPTH + half * 4) * WIDTH * E + run * 128);
#pragma unroll
                for (int e = 0; e < RUN; ++e) {
                    const int o = run * RUN + e;
                    if (OF_B) v[o / 2][o % 2 * 2 + half] = items[e];
                    else v[o % (EIGHTS / 2)][o / (EIGHTS / 2) + half * 2] = items[e];
                }
            }
        }
    }
#endif
};

// ---------------------------------------------------------------- one warp's sums
struct Corner {  // of a warp's tile: the place of its fragments' sums
    int row, column, g, t;
    __device__ __forceinline__ Corner()
        : row(threadIdx.x / 32 / (BN / WN) * WM), column(threadIdx.x / 32 % (BN / WN) * WN), g(threadIdx.x % 32 / 4), t(threadIdx.x % 4) {}
    __device__ __forceinline__ int row_of(int i, int half) const {  // rows g (half 0) and g + 8 of the i-th product
        return row + Fragments<WM, BM>::eighth(E == 2 ? 2 * i + half : i + half * MI, g);
    }
};

// Adds up rows of A, as multiply left it: a product with ones, whose columns are all the same. Three TF32: floats as they
// came.
__device__ __forceinline__ void add_rows(float (&beside)[MI][4], const unsigned (&a)[MI][4], int ones) {
#pragma unroll
    for (int i = 0; i < MI; ++i) {
#if PRECISION == TF32X3
        beside[i][0] += __uint_as_float(a[i][0]) + __uint_as_float(a[i][2]);
        beside[i][2] += __uint_as_float(a[i][1]) + __uint_as_float(a[i][3]);
#else
        mma(beside[i], a[i], ones, ones);
#endif
    }
}

__device__ __forceinline__ void keep(const Sums& tile, const Corner& at, const float (&sums)[MI][NI][4]) {
#pragma unroll
    for (int i = 0; i < MI; ++i) {
#pragma unroll
        for (int half = 0; half < 2; ++half) {
            const int row = at.row_of(i, half);
#if PRECISION == BF16 || PRECISION == FP16
#pragma unroll
            for (int j = 0; j < NI; ++j) {
                const int column = at.column + j * 8 + at.t * 2;
                *reinterpret_cast<float2*>(tile.pack(row, column / 4) + column % 4) = make_float2(sums[i][j][half * 2], sums[i][j][half * 2 + 1]);
            }
#else
#pragma unroll
            for (int j = 0; j < NI; j += 4) {
#pragma unroll
                for (int odd = 0; odd < 2; ++odd) {
                    Pack<ACC> four;
#pragma unroll
                    for (int e = 0; e < 4; ++e) four.item[e] = sums[i][j + e][half * 2 + odd];
                    store_pack(tile.pack(row, (at.column + j * 8) / 4 + 2 * at.t + odd), four);
                }
            }
#endif
        }
    }
}

__device__ __forceinline__ void keep_beside(const Sums& tile, const Corner& at, float (&beside)[MI][4]) {
#pragma unroll
    for (int i = 0; i < MI; ++i) {
#pragma unroll
        for (int half = 0; half < 2; ++half) {
            float sum = beside[i][half * 2];
#if PRECISION == TF32X3
            sum += __shfl_xor_sync(0xffffffffu, sum, 1);
            sum += __shfl_xor_sync(0xffffffffu, sum, 2);
#endif
            if (at.t == 0) tile.beside()[at.row_of(i, half)] = sum;
        }
    }
}
