// What the kernels of a recurrent layer's step share: which hidden units a thread owns, and the states beside T.
#pragma once
#include "../elementwise/epilogue.cuh"

struct Recurrent {
    int N, H;        // samples, hidden units
    int activation;  // of rnn: RELU or TANH
};

// A thread's VEC neighbouring units of one sample.
struct Units {
    i64 at;  // the first one in (N,H)
    int n, h;
    bool real;

    __device__ __forceinline__ Units(const Recurrent& g) {
        const i64 i = thread_index() * VEC;
        real = i < (i64)g.N * g.H, at = real ? i : 0;
        n = at / g.H, h = at - (i64)n * g.H;
    }

    // Its first unit's place in (N,gates,H).
    __device__ __forceinline__ i64 gate(const Recurrent& g, int gates, int k) const {
        return ((i64)n * gates + k) * g.H + h;
    }
};

// VEC neighbours in ACC, which fill one 16-byte access of T, and one of theirs or two.
__device__ __forceinline__ void load_state(const ACC* p, ACC (&v)[VEC]) {
    if constexpr (VEC == 1) {
        v[0] = *p;
    } else {
#pragma unroll
        for (int k = 0; k < VEC; k += PackOf<ACC>::size) {
            const Pack<ACC> pack = load_pack(p + k);
#pragma unroll
            for (int j = 0; j < PackOf<ACC>::size; ++j) v[k + j] = pack.item[j];
        }
    }
}

__device__ __forceinline__ void store_state(ACC* p, const ACC (&v)[VEC]) {
    if constexpr (VEC == 1) {
        *p = v[0];
    } else {
#pragma unroll
        for (int k = 0; k < VEC; k += PackOf<ACC>::size) {
            Pack<ACC> pack;
#pragma unroll
            for (int j = 0; j < PackOf<ACC>::size; ++j) pack.item[j] = v[k + j];
            store_pack(p + k, pack);
        }
    }
}

// Where a sequence is over the state stays what it was, and the output is 0.
__device__ __forceinline__ void finish(T* y, const Units& own, bool runs, ACC (&h)[VEC], const T* before) {
    if (!runs) load_channels(before + own.at, h);
    if (!y) return;
    const ACC none[VEC] = {};
    if (runs) store_channels(y + own.at, h);
    else store_channels(y + own.at, none);
}

// The gradient of a step's state: what the next step sends back, by its product and beside it, and the output's own.
__device__ __forceinline__ void gather_state(
    const T* gy, const T* gh, const ACC* carry, const Units& own, bool runs, ACC (&sum)[VEC])
{
    ACC v[VEC];
    load_channels(gh + own.at, sum);
    if (carry) {
        load_state(carry + own.at, v);
#pragma unroll
        for (int j = 0; j < VEC; ++j) sum[j] += v[j];
    }
    if (gy && runs) {
        load_channels(gy + own.at, v);
#pragma unroll
        for (int j = 0; j < VEC; ++j) sum[j] += v[j];
    }
}
