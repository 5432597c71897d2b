// How one launch reaches many tensors: a table, passed by value, in which a block finds its tensor by binary search.
//
// A kernel's struct Table has, for each of up to ROWS tensors: its pointers (null where it has no such array), `size` in
// elements, `first`, the number of its first block, and `setting`, the numbers of the rule; `rows` says how many there are.
// Inside a captured graph, whose launches take the same table each time, the settings come from device memory, `fed`.
// Every tensor has at least one element. Products go through `times`: rounded on their own, they give NumPy's bits.
#pragma once
#include "../common.cuh"

const int CHUNK = 4096;  // elements a block owns

// 1, -1 or 0; NaN stays NaN, -0 becomes 0.
__device__ __forceinline__ ACC sign(ACC x) { return x > 0 ? (ACC)1 : x < 0 ? (ACC)-1 : x + 0; }

struct Part { int row; i64 begin, end; };  // a tensor, and which of its elements

// This block's part: the last row that begins at or before this block.
template <typename Table> __device__ __forceinline__ Part find_part(const Table& table) {
    int low = 0, high = table.rows;
    while (high - low > 1) {
        const int middle = (low + high) / 2;
        (table.first[middle] <= (int)blockIdx.x ? low : high) = middle;
    }
    const i64 begin = (i64)((int)blockIdx.x - table.first[low]) * CHUNK;
    const i64 left = table.size[low] - begin;
    return {low, begin, begin + (left < CHUNK ? left : CHUNK)};
}

// Walks over a part: loads element i of every array, lets the rule change them, stores all but the last, which is only read.
template <int V, int A, typename Rule>
__device__ __forceinline__ void walk(T* const (&array)[A], i64 begin, i64 end, const Rule& rule) {
    for (i64 i = begin + (i64)threadIdx.x * V; i < end; i += (i64)blockDim.x * V) {
        ACC v[A][V] = {};
#pragma unroll
        for (int a = 0; a < A; ++a)
            if (array[a]) load_channels<V>(array[a] + i, v[a]);
#pragma unroll
        for (int j = 0; j < V; ++j) {
            ACC x[A];
#pragma unroll
            for (int a = 0; a < A; ++a) x[a] = v[a][j];
            rule(x);
#pragma unroll
            for (int a = 0; a < A; ++a) v[a][j] = x[a];
        }
#pragma unroll
        for (int a = 0; a + 1 < A; ++a)
            if (array[a]) store_channels<V>(array[a] + i, v[a]);
    }
}

// The walk in steps of 16 bytes where every array starts on a multiple of them, the rest one element after another.
template <int A, typename Rule>
__device__ __forceinline__ void update(T* const (&array)[A], const Part& part, const Rule& rule) {
    constexpr int V = PackOf<T>::size;
    bool aligned = true;
#pragma unroll
    for (int a = 0; a < A; ++a) aligned = aligned && reinterpret_cast<size_t>(array[a]) % 16 == 0;
    const i64 middle = aligned ? part.end - (part.end - part.begin) % V : part.begin;
    walk<V>(array, part.begin, middle, rule);
    walk<1>(array, middle, part.end, rule);
}
