// Weight decay and the 1-norm's pull, as parts of the gradient.
#pragma once
#include "table.cuh"

// The gradient of loss + decay/2 |p|^2 + l1 |p|_1.
template <typename Setting> __device__ __forceinline__ ACC penalised(ACC g, ACC p, const Setting& s) {
    if (s.decay != 0) g = times(p, s.decay) + g;
    if (s.l1 != 0) g += times(p > 0 ? (ACC)1 : p < 0 ? (ACC)-1 : p + 0, s.l1);  // NaN stays NaN, -0 becomes 0
    return g;
}
