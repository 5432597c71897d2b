// The moments of each channel: of this thread's packs, of the block's part, and, by the last block of a column, of all parts.
#pragma once
#include "far.cuh"
#include "tail.cuh"

struct Room {  // in shared memory
    ACC means[VEC][THREADS], m2s[VEC][THREADS], counts[THREADS];
};

// Of this thread's packs, four at a time.
__device__ __forceinline__ void measure_packs(const Walk& walk, const T* x, ACC& count, ACC (&middle)[VEC], ACC (&m2)[VEC]) {
    int i = 0;
    for (; i + 4 <= walk.packs; i += 4) {
        ACC v[4][VEC];
#pragma unroll
        for (int u = 0; u < 4; ++u) load_channels<VEC>(x + walk.address(i + u), v[u]);
        const ACC total = count + 4, part = 4 / total;
#pragma unroll
        for (int j = 0; j < VEC; ++j) {
            const ACC four = (v[0][j] + v[1][j] + v[2][j] + v[3][j]) / 4, delta = four - middle[j];  // the mean of four
            ACC four_m2 = 0;
#pragma unroll
            for (int u = 0; u < 4; ++u) four_m2 += (v[u][j] - four) * (v[u][j] - four);
            middle[j] += delta * part;
            m2[j] += four_m2 + delta * delta * count * part;
        }
        count = total;
    }
    for (; i < walk.packs; ++i) {
        ACC v[VEC];
        load_channels<VEC>(x + walk.address(i), v);
        count += 1;
        const ACC part = 1 / count;
#pragma unroll
        for (int j = 0; j < VEC; ++j) {
            const ACC delta = v[j] - middle[j];
            middle[j] += delta * part;
            m2[j] += delta * (v[j] - middle[j]);
        }
    }
}

// Of the block's part: to parts[0,j,c] the mean, to parts[1,j,c] the sum of squared deviations from it.
__device__ __forceinline__ void measure_part(const Walk& walk, int columns, Room& room, const T* x, ACC* parts) {
    ACC count = 0, middle[VEC] = {}, m2[VEC] = {};
    measure_packs(walk, x, count, middle, m2);
    const int me = threadIdx.x;
    room.counts[me] = count;
#pragma unroll
    for (int j = 0; j < VEC; ++j) room.means[j][me] = middle[j], room.m2s[j][me] = m2[j];
    join_rows(walk, columns, [&](int a, int b) {
#pragma unroll
        for (int j = 0; j < VEC; ++j) {
            const Moments both = merge({room.counts[a], room.means[j][a], room.m2s[j][a]},
                                       {room.counts[b], room.means[j][b], room.m2s[j][b]});
            room.means[j][a] = both.mean, room.m2s[j][a] = both.m2;
        }
        room.counts[a] += room.counts[b];
    });
    if (me >= columns || !walk.real) return;
    ACC* out = parts + (i64)blockIdx.y * walk.C + walk.c;
    const i64 further = (i64)gridDim.y * walk.C;
#if NHWC
    for (int j = 0; j < VEC; ++j) out[j] = room.means[j][me], out[j + further] = room.m2s[j][me];
#else
    Moments all = {room.counts[0], room.means[0][0], room.m2s[0][0]};  // every element of the packs is of one channel
    for (int j = 1; j < VEC; ++j) all = merge(all, {room.counts[0], room.means[j][0], room.m2s[j][0]});
    out[0] = all.mean, out[further] = all.m2;
#endif
}

// Of all parts: the means first, then what lies around them; where squares overflowed x is read again.
__device__ __forceinline__ void measure_all(
    const Norm& g, const Channels& own, Room& room, const T* x, const ACC* parts, ACC eps, const Factors& factors, ACC* mean,
    ACC* rstd, ACC* running_mean, ACC* running_var)
{
    const int J = gridDim.y, C = g.C, me = threadIdx.x;
    ACC *sum = room.means[0], *centre = room.m2s[0], *spread = centre + own.count;
    const ACC* part = parts + own.first;
    const int rows = NHWC ? g.N * g.L : (i64)g.N * g.L / VEC, weight = NHWC ? 1 : VEC;
    const i64 each = ((i64)rows + J - 1) / J;
    const ACC share = (ACC)1 / rows;
    const auto rows_of = [&](int j) { return (ACC)larger(0, smaller(each, rows - j * each)); };
    over_parts(own.count, J, sum, [&](int i, int j) { return part[(i64)j * C + i] * (rows_of(j) * share); });
    for (int i = me; i < own.count; i += THREADS) centre[i] = sum[i];
    __syncthreads();
    over_parts(own.count, J, sum, [&](int i, int j) {
        const ACC delta = rows_of(j) > 0 ? part[(i64)j * C + i] - centre[i] : (ACC)0;
        return part[(i64)(J + j) * C + i] + delta * delta * (rows_of(j) * weight);
    });
    for (int i = me; i < own.count; i += THREADS) spread[i] = sum[i];
    __syncthreads();
    over_parts(own.count, 32, sum, [&](int i, int lane) {
        return overflowed(centre[i], spread[i]) ? far_squares(x, g, own.first + i, centre[i], lane, 32) : (ACC)0;
    });
    const ACC M = (ACC)rows * weight;
    for (int i = me; i < own.count; i += THREADS) {
        const Spread found = overflowed(centre[i], spread[i]) ? Spread::far(M, sum[i]) : Spread(M, spread[i], eps);
        write_moments(own.first + i, centre[i], found, factors, mean, rstd, running_mean, running_var);
    }
}

// All of it; tickets (1 + gridDim.x). The batch is counted once nobody asks any more how many there were.
__device__ __forceinline__ void measure(
    const Norm& g, const Walk& walk, int columns, const T* x, ACC* parts, ACC eps, double momentum, double ratio,
    ACC* mean, ACC* rstd, ACC* running_mean, ACC* running_var, i64* batches, int* tickets)
{
    __shared__ Room room;
    measure_part(walk, columns, room, x, parts);
    if (!drew_last(tickets + 1 + blockIdx.x, gridDim.y)) return;
    const Factors factors(momentum, ratio, batches);
    measure_all(
        g, Channels(g.C, columns), room, x, parts, eps, factors, mean, rstd, running_mean, running_var);
    if (batches && drew_last(tickets, gridDim.x) && threadIdx.x == 0) ++*batches;
}
