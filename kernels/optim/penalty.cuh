// Weight decay and the 1-norm's pull, as parts of the gradient, whose sign is turned where the loss is to grow.
#pragma once
#include "table.cuh"

// The gradient of loss + decay/2 |p|^2 + l1 |p|_1, or with minus the loss.
template <typename Setting> __device__ __forceinline__ ACC penalised(ACC g, ACC p, const Setting& s) {
    if (s.maximize) g = -g;
    if (s.decay != 0) g = times(p, s.decay) + g;
    if (s.l1 != 0) g += times(sign(p), s.l1);
    return g;
}
