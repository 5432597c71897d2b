// What a block does with its sums: adds them to those of the tile's other parts, and writes them.
#pragma once
#include "tile.cuh"

// Adds a tile's parts up in order; false in blocks that draw no last ticket.
__device__ __forceinline__ bool joined(ACC (&sums)[TM][TN], ACC* parts, int* ticket, int part, int count) {
    ACC* place = parts + threadIdx.x * 4;  // of one part; a thread's fours are THREADS fours apart
    const int fours = TM * TN / 4;
#pragma unroll
    for (int i = 0; i < fours; ++i) {
        store_four(place + ((i64)part * fours + i) * THREADS * 4, &sums[i * 4 / TN][i * 4 % TN]);
    }
    if (!is_last(ticket, count)) return false;
#pragma unroll
    for (int i = 0; i < fours; ++i) load_four(place + (i64)i * THREADS * 4, &sums[i * 4 / TN][i * 4 % TN]);
    for (int other = 1; other < count; ++other) {
#pragma unroll
        for (int i = 0; i < fours; ++i) {
            ACC more[4];
            load_four(place + ((i64)other * fours + i) * THREADS * 4, more);
#pragma unroll
            for (int j = 0; j < 4; ++j) sums[i * 4 / TN][i * 4 % TN + j] += more[j];
        }
    }
    return true;
}

// Four neighbours of c by one access; p is a multiple of their size.
__device__ __forceinline__ void write_four(T* p, const ACC* v) {
    struct alignas(sizeof(T) == 2 ? 8 : 16) Four {
        T item[4];
    } four;
#pragma unroll
    for (int j = 0; j < 4; ++j) store(&four.item[j], v[j]);
    if constexpr (sizeof(T) == 2) {
        *reinterpret_cast<uint2*>(p) = *reinterpret_cast<const uint2*>(&four);
    } else {
#pragma unroll
        for (int j = 0; j < 4; j += PackOf<T>::size) {
            *reinterpret_cast<uint4*>(p + j) = *reinterpret_cast<const uint4*>(&four.item[j]);
        }
    }
}

// Writes c (M,N), of which the tile starts at (first_row, first_column), through bias and activation; column N goes to gb.
__device__ __forceinline__ void write(
    ACC (&sums)[TM][TN], const Corner& at, int first_row, int first_column, const Product& g, const T* bias,
    int activation, T* c, T* gb)
{
#pragma unroll
    for (int j = 0; j < TN; j += 4) {
        const int column = first_column + at.col_of(j);
        if (g.ones && column <= g.N && g.N < column + 4) {
#pragma unroll
            for (int i = 0; i < TM; ++i) {
                const int row = first_row + at.row_of(i);
                ACC v = sums[i][j];
#pragma unroll
                for (int of = 1; of < 4; ++of) v = column + of == g.N ? sums[i][j + of] : v;
                if (row < g.M) store(gb + row, v);
            }
        }
        ACC shift[4];
#pragma unroll
        for (int of = 0; of < 4; ++of) shift[of] = bias && column + of < g.N ? load(bias + column + of) : (ACC)0;
#pragma unroll
        for (int i = 0; i < TM; ++i) {
            const int row = first_row + at.row_of(i);
            if (row >= g.M || column >= g.N) continue;
            ACC v[4];
#pragma unroll
            for (int of = 0; of < 4; ++of) v[of] = activated(sums[i][j + of] + shift[of], activation);
            T* to = c + (i64)row * g.N + column;
            if (g.N % 4 == 0) {
                write_four(to, v);
            } else {
#pragma unroll
                for (int of = 0; of < 4; ++of) {
                    if (column + of < g.N) store(to + of, v[of]);
                }
            }
        }
    }
}
