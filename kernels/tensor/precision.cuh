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

// A warp's tile of 16 MI rows and 8 NI columns, one DEPTH further: a[i] is a fragment of A, b[j] those of columns 16j to
// 16j + 15, as load_matrices gives them. Rounds and splits what it was given.
template <int MI, int NI>
__device__ __forceinline__ void multiply(float (&sums)[MI][NI][4], unsigned (&a)[MI][4], unsigned (&b)[NI / 2][4]) {
#if PRECISION == TF32X3
    unsigned small_b[NI / 2][4];
#pragma unroll
    for (int j = 0; j < NI / 2; ++j) {
#pragma unroll
        for (int e = 0; e < 4; ++e) b[j][e] = split_tf32(b[j][e], small_b[j][e]);
    }
#pragma unroll
    for (int i = 0; i < MI; ++i) {
        unsigned big[4], small[4];
#pragma unroll
        for (int e = 0; e < 4; ++e) big[e] = split_tf32(a[i][e], small[e]);
        // The small products first, into sums of their own: tensor cores cut off what they add, and the drift of a whole
        // sum that went through them was 10 and more times float's error (H200, 1224 deep: 8.5e-6 of the largest).
        float apart[NI][4] = {};
#pragma unroll
        for (int j = 0; j < NI; ++j) mma(apart[j], small, b[j / 2][j % 2 * 2], b[j / 2][j % 2 * 2 + 1]);
#pragma unroll
        for (int j = 0; j < NI; ++j) mma(apart[j], big, small_b[j / 2][j % 2 * 2], small_b[j / 2][j % 2 * 2 + 1]);
#pragma unroll
        for (int j = 0; j < NI; ++j) mma(apart[j], big, b[j / 2][j % 2 * 2], b[j / 2][j % 2 * 2 + 1]);
#pragma unroll
        for (int j = 0; j < NI; ++j) {
#pragma unroll
            for (int e = 0; e < 4; ++e) sums[i][j][e] += apart[j][e];
        }
    }
#else
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
#endif
}
