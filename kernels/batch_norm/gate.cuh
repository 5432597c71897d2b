// What a ReLU that was fused let through: where its output y was above 0.
#pragma once
#include "geometry.cuh"

typedef unsigned char u8;

// gamma * (x - mean) * rstd + beta, of `off` = x - mean and scale = gamma * rstd: the same number wherever it is asked for.
__device__ __forceinline__ ACC value_of(ACC off, ACC scale, ACC shift) { return fma(off, scale, shift); }

// What is above this is above 0 once it is stored as a T: half of T's least number, a tie, becomes 0.
__device__ __forceinline__ float above_zero(const float*) { return 0; }
__device__ __forceinline__ double above_zero(const double*) { return 0; }
__device__ __forceinline__ float above_zero(const float16*) { return 0x1p-25f; }
__device__ __forceinline__ float above_zero(const bfloat16*) { return __uint_as_float(0x8000u); }

// It is told by y itself, by y's signs, a bit an element as they lie in memory, or, where no residual was added, by x anew.
struct Gate {
    const T* y;
    const u8* signs;
    int relu;

    __device__ __forceinline__ bool anew() const { return relu && !y && !signs; }
    __device__ __forceinline__ unsigned bits(i64 at) const { return signs[at >> 3] >> (at & 7); }
};
