/*
Rows of a table by number: embedding.

math:     y[m,l] = table[index[m],l]; a number outside of 0 .. K-1 reads row 0, and the first of them is noted in state
layout:   table (K,L), index (M), y (M,L), row-major; parts (J), J = gridDim.x; state (5): see pool/note.cuh; fed: the serial
          number, where it is given
threads:  a block owns `each` numbers and the rows that they name, in accesses of VEC elements
shared:   256*8 + 1
flops:    2*M
bytes:    2*e*M*L + I*M
requires: 256 threads a block; NHWC = 0; VEC > 1: L a multiple of VEC, table and y aligned to 16 bytes; L = 0: numbers are
          looked at, and no more; state's ticket 0, and no other launch on it at once
numerics: exact
optional: table y fed
*/
#include "../pool/note.cuh"

extern "C" __global__ void __launch_bounds__(256) rows(
    const T* table, const INDEX* index, T* y, i64* parts, i64* state, i64 M, i64 K, i64 L, int each, i64 serial, i64 call,
    const i64* fed)
{
    // seek
    const i64 first = (i64)blockIdx.x * each, packs = L / VEC;
    const int mine = smaller(each, M - first);

    // look at the numbers
    i64 wrong = NONE;
    for (int m = threadIdx.x; m < mine; m += blockDim.x) {
        if (index[first + m] < 0 || index[first + m] >= K) wrong = earlier(wrong, first + m);
    }

    // copy the rows
    for (i64 i = threadIdx.x; i < mine * packs; i += blockDim.x) {
        const i64 m = i / packs, number = index[first + m], row = number < 0 || number >= K ? 0 : number;
        ACC v[VEC];
        load_channels(table + row * L + (i - m * packs) * VEC, v);
        store_channels(y + (first * packs + i) * VEC, v);
    }
    note<256>(wrong, index, parts, state, 1, 1, serial, call, fed);
}
