// The gradient of the weight from the patch: rows are (r,s,c), columns filters, depth the pixels of rectangles. Of x and gy a
// rectangle's pixels lie in shared memory; pixels outside y, where gy is zero, have zeros of x too, so that nothing that is
// no number meets them.
#pragma once
#include "../tensor/join.cuh"
#include "../tensor/precision.cuh"
#include "patch.cuh"

static const int MI = WM / 16, NI = WN / 8;
static const int PITCH = BN * E + (E == 2 ? 16 : 32);  // bytes of a pixel of gy: the lanes of a fragment meet all banks

// A block's shared memory.
struct Area {
    char* gy;
    int* places;  // of pixels, in bytes from the patch; of those outside y the zeros behind it
    char* patch;
    int blank;  // where these are
    __device__ __forceinline__ Area(char* memory, const Patch& p)
        : gy(memory), places(reinterpret_cast<int*>(memory + BK * PITCH)), patch(memory + BK * (PITCH + 4)),
          blank((1 + p.twice()) * p.bytes) {}
};

struct Rectangle { int n, p, q; };

// gy of a rectangle: a row of BN filters a pixel, zeros outside.
__device__ __forceinline__ void keep_gradients(
    const Patch& patch, const Conv2d& g, const T* gy, const Rectangle& at, int filters, char* to)
{
    const int each = BN / VEC;
#pragma unroll 4
    for (int i = threadIdx.x; i < BK * each; i += THREADS) {
        const int pixel = i / each, filter = i % each * VEC, p = at.p + patch.line(pixel), q = at.q + patch.column(pixel);
        const bool real = p < g.P && q < g.Q && filter < filters;
        const T* from = gy + (real ? (((i64)at.n * g.P + p) * g.Q + q) * g.K + filter : 0);
        char* there = to + pixel * PITCH + filter * E;
#if VEC > 1
        copy_async(shared_address(there), from, real);
#else
        *reinterpret_cast<T*>(there) = real ? *from : T{};
#endif
    }
}

// A warp's fragments of A: of 16 rows, 2g and 2g + 1 are a lane's, which lie side by side in the patch.
__device__ __forceinline__ void fetch_rows(unsigned (&a)[MI][4], const Area& area, const int (&further)[MI], int limb) {
    const int t = threadIdx.x % 4;
#if PRECISION == BF16 || PRECISION == FP16
    const int2 first = *reinterpret_cast<const int2*>(area.places + limb * DEPTH + 2 * t);
    const int2 second = *reinterpret_cast<const int2*>(area.places + limb * DEPTH + 8 + 2 * t);
    const int at[] = {first.x, first.y, second.x, second.y};
#pragma unroll
    for (int i = 0; i < MI; ++i) {
        unsigned pair[4];
#pragma unroll
        for (int e = 0; e < 4; ++e) pair[e] = *reinterpret_cast<const unsigned*>(area.patch + at[e] + further[i]);
#pragma unroll
        for (int e = 0; e < 4; ++e) a[i][e] = __byte_perm(pair[e / 2 * 2], pair[e / 2 * 2 + 1], e % 2 ? 0x7632 : 0x5410);
    }
#else
    const int at[] = {area.places[limb * DEPTH + t], area.places[limb * DEPTH + 4 + t]};
#pragma unroll
    for (int i = 0; i < MI; ++i) {
#pragma unroll
        for (int e = 0; e < 2; ++e) {
            const uint2 pair = *reinterpret_cast<const uint2*>(area.patch + at[e] + further[i]);
            a[i][2 * e] = pair.x, a[i][2 * e + 1] = pair.y;
        }
    }
#endif
}

__device__ __forceinline__ void fetch_columns(unsigned (&b)[NI / 2][4], const Area& area, int column, int limb) {
    const int lane = threadIdx.x % 32;
    char* from = area.gy + limb * DEPTH * PITCH + column * E;
#pragma unroll
    for (int j = 0; j < NI / 2; ++j) {
#if PRECISION == BF16 || PRECISION == FP16
        load_matrices_transposed(b[j], shared_address(from) + lane % 16 * PITCH + lane / 16 * 16 + j * 32);
#else
#pragma unroll
        for (int e = 0; e < 4; ++e) {
            const int pixel = lane % 4 + e % 2 * 4, filter = lane / 4 + j * 16 + e / 2 * 8;
            b[j][e] = *reinterpret_cast<const unsigned*>(from + pixel * PITCH + filter * 4);
        }
#endif
    }
}

// The rectangles from `begin` on, up to `end`.
struct Part {
    int begin, end, across, down;
    __device__ __forceinline__ Part(const Patch& p, const Conv2d& g, int part, int J)
        : across(ceil_div(g.Q, p.wide)), down(ceil_div(g.P, p.high))
    {
        const int tiles = g.N * across * down, each = ceil_div(tiles, J);
        begin = smaller((i64)part * each, (i64)tiles), end = smaller((i64)part * each + each, (i64)tiles);
    }
    __device__ __forceinline__ Rectangle at(int tile, const Patch& p) const {
        return {tile / across / down, tile / across % down * p.high, tile % across * p.wide};
    }
};

#if PRECISION == TF32X3
// Sums that are no finite number, since a number that is none was split, or one beyond TF32: anew, one float after the other.
__device__ __forceinline__ float plain_sum(
    const Patch& p, const Conv2d& g, const Part& part, const T* gy, const T* x, int row, int filter)
{
    const int which = row / p.filled, at = row % p.filled, tap = p.runs == g.R ? which * g.S + at / g.Cg() : which;
    const int c = at % g.Cg();
    float sum = 0;
#pragma unroll 1
    for (int tile = part.begin; tile < part.end; ++tile) {
        const Rectangle to = part.at(tile, p);
#pragma unroll 1
        for (int i = 0; i < BK; ++i) {
            const int y = to.p + p.line(i), z = to.q + p.column(i), h = g.row(y, tap / g.S), w = g.col(z, tap % g.S);
            if (y >= g.P || z >= g.Q || !g.inside(h, w)) continue;
            sum += gy[(((i64)to.n * g.P + y) * g.Q + z) * g.K + filter] * x[(((i64)to.n * g.H + h) * g.W + w) * g.C + c];
        }
    }
    return sum;
}

__device__ __forceinline__ void mend(
    const Patch& p, const Conv2d& g, const Part& part, const T* gy, const T* x, int first_row, const Sums& tile,
    const Extent& extent)
{
    extent.packs([&](int row, int four, int) {
#pragma unroll 1
        for (int e = 0; e < 4; ++e) {
            float& sum = tile.pack(row, four)[e];
            const bool real = four * 4 + e < extent.columns && (first_row + row) % p.filled < p.run;
            if (real && !(sum - sum == 0)) sum = plain_sum(p, g, part, gy, x, first_row + row, four * 4 + e);
        }
    });
}
#endif

// A warp's sums: rows 2g and 2g + 1 of 16 are a lane's.
__device__ __forceinline__ void keep(const Sums& tile, int row, int column, const float (&sums)[MI][NI][4]) {
    const int g = threadIdx.x % 32 / 4, t = threadIdx.x % 4;
#pragma unroll
    for (int i = 0; i < MI; ++i) {
#pragma unroll
        for (int j = 0; j < NI; ++j) {
#pragma unroll
            for (int half = 0; half < 2; ++half) {
                ACC* to = tile.pack(row + i * 16 + 2 * g + half, (column + j * 8 + 2 * t) / 4) + 2 * t % 4;
                *reinterpret_cast<float2*>(to) = make_float2(sums[i][j][half * 2], sums[i][j][half * 2 + 1]);
            }
        }
    }
}

// The tile's rows are neighbours in gw, columns apart; what runs are filled up with is left out.
__device__ __forceinline__ void store_rows(
    const Patch& p, const Sums& tile, const Extent& extent, int first_row, i64 apart, T* out)
{
#pragma unroll 1
    for (int i = threadIdx.x; i < BM * FOURS; i += THREADS) {
        const int row = i % BM, four = i / BM, which = (first_row + row) / p.filled, at = (first_row + row) % p.filled;
        if (row >= extent.rows || at >= p.run) continue;
        const Pack<ACC> sums = load_pack(tile.pack(row, four));
#pragma unroll
        for (int e = 0; e < 4; ++e) {
            if (four * 4 + e < extent.columns) store(out + (four * 4 + e) * apart + which * p.run + at, sums.item[e]);
        }
    }
}
