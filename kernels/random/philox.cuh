// Philox4x32-10 (Salmon, Moraes, Dror, Shaw 2011): four 32-bit numbers, a function of a counter and a key.
#pragma once
#include "../common.cuh"

struct Words { unsigned a, b, c, d; };

// Block number `counter` of the stream, as gpunn/random.py numbers them.
__device__ __forceinline__ Words philox(i64 seed, i64 stream, i64 counter) {
    Words w = {(unsigned)counter, (unsigned)(counter >> 32), (unsigned)stream, 0};
    unsigned k0 = (unsigned)seed, k1 = (unsigned)(seed >> 32);
#pragma unroll
    for (int round = 0; round < 10; ++round) {
        w = {__umulhi(0xCD9E8D57u, w.c) ^ w.b ^ k0, 0xCD9E8D57u * w.c, __umulhi(0xD2511F53u, w.a) ^ w.d ^ k1,
             0xD2511F53u * w.a};
        k0 += 0x9E3779B9u, k1 += 0xBB67AE85u;
    }
    return w;
}

// Word k of the four; not an array, which would lie in local memory.
__device__ __forceinline__ unsigned word(const Words& w, int k) { return k < 2 ? k ? w.b : w.a : k == 2 ? w.c : w.d; }
