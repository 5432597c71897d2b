// The activation that holds its input between two bounds, beside those of activation.cuh, whose text products have too.
#pragma once
#include "activation.cuh"

struct HardTanh {  // a and b: the least and the largest value; keeps x, of which 16 bits may not hold the bounds
    template <typename A> static __device__ __forceinline__ A value(A x, A a, A b) { return x < a ? a : x > b ? b : x; }
    template <typename A> static __device__ __forceinline__ A gradient(A gy, A x, A a, A b) {
        return x <= a || x >= b ? A(0) : gy;
    }
};
