// What the tensor cores multiply, by the macro PRECISION: BF16, FP16, TF32 (floats rounded), or TF32X3, three products of
// TF32 whose sum has nearly float's own error.
#pragma once
#include "../elementwise/epilogue.cuh"
#include "../ptx/copy.cuh"
#include "../ptx/matrix.cuh"

#define BF16 0
#define FP16 1
#define TF32 2
#define TF32X3 3

static const int E = sizeof(T);      // bytes an element
static const int EACH = 16 / E;      // elements of 16 bytes
static const int DEPTH = 32 / E;     // of one mma: 32 bytes of a row of A or a column of B

// A float made ready for TF32's unit, which cuts 13 bits off: a third of a last place larger, which comes to rounding with
// an error below 0.7 of a place, on average as large as the nearest number's. One instruction where cvt.rna takes two. TF32
// numbers stay what they are, NaN and infinities too; past 3.4017e38 it is infinity.
__device__ __forceinline__ unsigned lifted(unsigned x) { return __float_as_uint(__uint_as_float(x) * 1.0003385f); }

// x = big + small: big the nearest TF32, small what the unit makes TF32 of, but for a rest of 2^-23 x. Of an infinite x
// small is NaN: whoever finds a sum that is no finite number adds it up anew without splitting. (A NaN whose bits run over
// makes big 0, and stays in small.)
__device__ __forceinline__ unsigned split_tf32(unsigned x, unsigned& small) {
    const unsigned big = (x + 0x1000u) & 0xffffe000u;
    small = __float_as_uint(__uint_as_float(x) - __uint_as_float(big));
    return big;
}

__device__ __forceinline__ void mma(float (&d)[4], const unsigned (&a)[4], unsigned b0, unsigned b1) {
#if PRECISION == BF16
    mma_bf16(d, a, b0, b1);
#elif PRECISION == FP16
    mma_fp16(d, a, b0, b1);
#else
    mma_tf32(d, a, b0, b1);
#endif
}

#if PRECISION == TF32X3
// Fragments of B of DEEP products' depth, split: `big` is what was fetched.
template <int NI, int DEEP>
__device__ __forceinline__ void split_columns(unsigned (&big)[DEEP][NI / 2][4], unsigned (&small)[DEEP][NI / 2][4]) {
#pragma unroll
    for (int d = 0; d < DEEP; ++d) {
#pragma unroll
        for (int j = 0; j < NI / 2; ++j) {
#pragma unroll
            for (int e = 0; e < 4; ++e) big[d][j][e] = split_tf32(big[d][j][e], small[d][j][e]);
        }
    }
}

// 16 rows of a warp's tile, DEEP products further. Tensor cores cut off what they add: the drift of a whole sum that went
// through them was 10 and more times float's error (H200, 1224 deep: 8.5e-6 of the largest). So these DEEP have sums of
// their own, small products before the big ones, whose sums would cut the small ones off, and floats add them up.
template <int NI, int DEEP>
__device__ __forceinline__ void multiply_rows(
    float (&sums)[NI][4], unsigned (&a)[DEEP][4], const unsigned (&b)[DEEP][NI / 2][4], const unsigned (&small_b)[DEEP][NI / 2][4])
{
    float apart[NI][4] = {};
#pragma unroll
    for (int d = 0; d < DEEP; ++d) {
        unsigned small[4];
#pragma unroll
        for (int e = 0; e < 4; ++e) a[d][e] = split_tf32(a[d][e], small[e]);
#pragma unroll
        for (int j = 0; j < NI; ++j) mma(apart[j], small, b[d][j / 2][j % 2 * 2], b[d][j / 2][j % 2 * 2 + 1]);
#pragma unroll
        for (int j = 0; j < NI; ++j) mma(apart[j], a[d], small_b[d][j / 2][j % 2 * 2], small_b[d][j / 2][j % 2 * 2 + 1]);
    }
#pragma unroll
    for (int d = 0; d < DEEP; ++d) {
#pragma unroll
        for (int j = 0; j < NI; ++j) mma(apart[j], a[d], b[d][j / 2][j % 2 * 2], b[d][j / 2][j % 2 * 2 + 1]);
    }
#pragma unroll
    for (int j = 0; j < NI; ++j) {
#pragma unroll
        for (int e = 0; e < 4; ++e) sums[j][e] += apart[j][e];
    }
}

// A warp's tile, DEEP products further: a[d][i] is a fragment of A, b[d][j] those of columns 16j to 16j + 15.
template <int MI, int NI, int DEEP>
__device__ __forceinline__ void multiply_deep(
    float (&sums)[MI][NI][4], const unsigned (&a)[DEEP][MI][4], unsigned (&b)[DEEP][NI / 2][4])
{
    unsigned small_b[DEEP][NI / 2][4];
    split_columns<NI>(b, small_b);
#pragma unroll
    for (int i = 0; i < MI; ++i) {
        unsigned row[DEEP][4];
#pragma unroll
        for (int d = 0; d < DEEP; ++d) {
#pragma unroll
            for (int e = 0; e < 4; ++e) row[d][e] = a[d][i][e];
        }
        multiply_rows(sums[i], row, b, small_b);
    }
}

template <int MI, int NI>
__device__ __forceinline__ void multiply(float (&sums)[MI][NI][4], unsigned (&a)[MI][4], unsigned (&b)[NI / 2][4]) {
    multiply_deep(sums, reinterpret_cast<unsigned (&)[1][MI][4]>(a), reinterpret_cast<unsigned (&)[1][NI / 2][4]>(b));
}
#else
// A warp's tile of 16 MI rows and 8 NI columns, one DEPTH further: a[i] is a fragment of A, b[j] those of columns 16j to
// 16j + 15, as load_matrices gives them. Rounds what it was given.
template <int MI, int NI>
__device__ __forceinline__ void multiply(float (&sums)[MI][NI][4], unsigned (&a)[MI][4], unsigned (&b)[NI / 2][4]) {
#if PRECISION == TF32
#pragma unroll
    for (int j = 0; j < NI / 2; ++j) {
#pragma unroll
        for (int e = 0; e < 4; ++e) b[j][e] = lifted(b[j][e]);
    }
#endif
#pragma unroll
    for (int i = 0; i < MI; ++i) {
#if PRECISION == TF32
#pragma unroll
        for (int e = 0; e < 4; ++e) a[i][e] = lifted(a[i][e]);
#endif
#pragma unroll
        for (int j = 0; j < NI; ++j) mma(sums[i][j], a[i], b[j / 2][j % 2 * 2], b[j / 2][j % 2 * 2 + 1]);
    }
}
#endif
