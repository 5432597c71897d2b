// A maximum and where it is, for whoever finds them in pieces.
#pragma once
#include "../common.cuh"

struct Choice {
    ACC value;
    int at;  // -1: of nothing

    __device__ __forceinline__ bool nan() const { return value != value; }
};

// The larger of two: of equals the one that comes first, of NaNs, which beat every number, the last. In any grouping
// the same.
__device__ __forceinline__ Choice chosen(const Choice& a, const Choice& b) {
    if (a.at < 0 || b.at < 0) return a.at < 0 ? b : a;
    const bool later = b.at > a.at;
    const bool wins = b.nan() ? !a.nan() || later : b.value > a.value || (b.value == a.value && !later);
    return wins ? b : a;
}
