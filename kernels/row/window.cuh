// Windows over neighbouring channels, and the divisor that a window's squares make.
#pragma once
#include "row.cuh"

struct Channels {
    int N, C, L;  // samples, channels, positions
    int before, after;  // channels of a window on either side of its own
};

// A thread's pack: VEC neighbours of channels (NHWC=1, memory (N,L,C)) or of positions (0, (N,C,L)).
struct Neighbours {
    i64 at;    // the first element
    int c;     // its channel
    bool real;

    __device__ __forceinline__ Neighbours(const Channels& g) {
        const i64 i = thread_index() * VEC;
        real = i < (i64)g.N * g.C * g.L, at = real ? i : 0;
        c = NHWC ? at % g.C : at / g.L % g.C;
    }

    __device__ __forceinline__ int channel(int j) const { return NHWC ? c + j : c; }

    // The elements t channels on; of neighbouring channels one, which is the same for all of them. False: there are none.
    template <typename S>
    __device__ __forceinline__ bool fetch(const S* p, const Channels& g, int t, ACC (&v)[VEC]) const {
        if (!within(c + t, g.C)) return false;
        if (NHWC) {
            const ACC one = load(p + at + t);
#pragma unroll
            for (int j = 0; j < VEC; ++j) v[j] = one;
        } else {
            load_any(p + at + (i64)t * g.L, v);
        }
        return true;
    }

    // Whether what lies t channels from the first element is in the window of element j.
    __device__ __forceinline__ bool sees(int t, int j, int before, int after) const {
        const int from = NHWC ? t - j : t;
        return from >= -before && from <= after;
    }

  private:
    template <typename S> __device__ __forceinline__ static void load_any(const S* p, ACC (&v)[VEC]) {
        if constexpr (VEC * sizeof(S) > 16) {
            load_wide(p, v);  // sums of 16-bit storage
        } else {
            load_channels<VEC>(p, v);
        }
    }
};

// In double: what ACC overflowed in.
__device__ __forceinline__ double far_divisor(const T* x, const Channels& g, i64 at, int c, double scale, double k) {
    const i64 step = NHWC ? 1 : g.L;
    double sum = 0;
    for (int t = -g.before; t <= g.after; ++t) {
        if (within(c + t, g.C)) sum += (double)load(x + at + t * step) * load(x + at + t * step);
    }
    return k + scale * sum;
}
