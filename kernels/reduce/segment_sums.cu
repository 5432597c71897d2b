/*
Sums of the rows that go to one place: the gradient of an index that may name a place twice, without atomics.

math:     gx[k,l] = sum of gy[order[m],l] over the m with keys[m] = k
layout:   gy (M,L), keys and order (M), gx (K,L), row-major; keys rise
threads:  one an element of gx, which looks for its first key by halving
shared:   0
flops:    M*L
bytes:    e*(M*L + K*L) + 16*M
requires: none
numerics: in ACC, in the order of m: with a stable sort that of gy's rows, the same bits at every run
*/
#include "../common.cuh"

extern "C" __global__ void segment_sums(
    const T* gy, const i64* keys, const i64* order, T* gx, i64 M, i64 K, i64 L
) {
    const i64 i = thread_index();
    if (i >= K * L) return;
    const i64 row = i / L, column = i % L;
    i64 low = 0, high = M;
    while (low < high) {  // seek the first key that is not below this row
        const i64 middle = (low + high) / 2;
        if (keys[middle] < row) low = middle + 1;
        else high = middle;
    }
    ACC sum = 0;
    for (i64 m = low; m < M && keys[m] == row; ++m) sum += load(gy + order[m] * L + column);
    store(gx + i, sum);
}
