// The mean of squares, which ends at the largest number that T holds.
#pragma once
#include "table.cuh"

__device__ __forceinline__ float largest(const float*) { return 3.4028234663852886e38f; }
__device__ __forceinline__ double largest(const double*) { return 1.7976931348623157e308; }
__device__ __forceinline__ float largest(const float16*) { return 65504.f; }
__device__ __forceinline__ float largest(const bfloat16*) { return 3.3895313892515355e38f; }

// v += c g^2, and the g to go on with: where v would be infinite for good, which no step ever leaves, both are what just
// fits. Such a step is as long, since it divides one by the root of the other.
__device__ __forceinline__ ACC add_square(ACC& v, ACC g, ACC c) {
    const ACC most = largest((const T*)nullptr);
    ACC sum = v + times(times(g, g), c);
    if (!(sum <= most) && v <= most && isfinite(g)) {
        const ACC root = sqrt(c), part = times(root, g);  // c g^2 may fit where g^2 does not
        sum = v + times(part, part);
        if (sum > most) {
            g = copysign(sqrt(most - v) / root, g);
            sum = most;
        }
    }
    v = sum;
    return g;
}
