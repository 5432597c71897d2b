/*
Sums of the rows that go to one place: the gradient of an index that may name a place twice, without atomics.

math:     gx[k,l] = sum of gy[order[m],l] over the m from starts[k] to starts[k+1]
layout:   gy (M,L), starts (K+1), order (M), gx (K,L), row-major
threads:  one access of VEC elements of gx
shared:   0
flops:    M*L
bytes:    e*(M*L + K*L) + 8*M + 8*K
requires: VEC > 1: L a multiple of VEC, gy and gx aligned to 16 bytes
numerics: in ACC, in the order of m: with a stable sort that of gy's rows, the same bits at every run
*/
#include "../common.cuh"

extern "C" __global__ void __launch_bounds__(256) segment_sums(
    const T* gy, const i64* starts, const i64* order, T* gx, i64 K, i64 L
) {
    const i64 i = thread_index(), each = L / VEC;
    if (i >= K * each) return;
    const i64 row = i / each, column = (i - row * each) * VEC, end = starts[row + 1];
    ACC sum[VEC] = {};
#pragma unroll 4
    for (i64 m = starts[row]; m < end; ++m) {
        ACC v[VEC];
        load_channels(gy + order[m] * L + column, v);
#pragma unroll
        for (int j = 0; j < VEC; ++j) sum[j] += v[j];
    }
    store_channels(gx + i * VEC, sum);
}
