/*
Batch normalisation statistics: the moments of each channel, to which the running ones move.

math:     parts[0,j,c] = mean, parts[1,j,c] = sum of squared deviations of x[:,c,:] over part j; mean[c], var = those of
          their union, var the biased one; rstd[c] = 1 / sqrt(var + eps); running_mean[c] += m * (mean[c] - running_mean[c]),
          running_var[c] += m * (ratio * var - running_var[c]), m the momentum, or where it is NaN 1 / (batches[0] + 1);
          batches[0] += 1
layout:   x (N,L,C) with NHWC=1, (N,C,L) with NHWC=0; parts (2,J,C), J = gridDim.y; tickets (1 + gridDim.x); the others (C)
threads:  walk.cuh; four loads in flight; the last block of a column joins its parts (tail.cuh)
shared:   (256*(2*VEC + 1) + 1)*(4 if e < 8 else 8)
flops:    5*N*C*L
bytes:    e*N*C*L
requires: 256 threads a block; N*L below 2^31; VEC > 1 needs C % VEC = 0 (NHWC) or L % VEC = 0; tickets 0; batches where
          the momentum is NaN
numerics: moments of groups of four, merged by Chan's formula in a fixed order; of the parts the mean first, then the
          deviations from it: sums of fixed order; x is read again where their squares overflowed
optional: running_mean running_var batches
*/
#include "far.cuh"
#include "tail.cuh"

extern "C" __global__ void __launch_bounds__(256, 3) batch_norm_statistics(
    const T* __restrict__ x, ACC* parts, ACC* mean, ACC* rstd, ACC* running_mean, ACC* running_var, i64* batches,
    int* tickets, Norm g, int columns, ACC eps, double momentum, double ratio)
{
    // seek to the channels of this thread
    __shared__ ACC means[VEC][THREADS], m2s[VEC][THREADS];
    __shared__ ACC counts[THREADS];
    Walk walk(g, columns);

    // combine this thread's packs, four at a time, then the threads of a channel
    ACC count = 0, middle[VEC] = {}, m2[VEC] = {};
    for (; walk.has(4); walk.at += 4 * walk.step) {
        ACC v[4][VEC];
#pragma unroll
        for (int u = 0; u < 4; ++u) load_channels<VEC>(x + walk.address(u), v[u]);
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
    for (; walk.has(1); walk.at += walk.step) {
        ACC v[VEC];
        load_channels<VEC>(x + walk.address(), v);
        count += 1;
        const ACC part = 1 / count;
#pragma unroll
        for (int j = 0; j < VEC; ++j) {
            const ACC delta = v[j] - middle[j];
            middle[j] += delta * part;
            m2[j] += delta * (v[j] - middle[j]);
        }
    }
    const int me = threadIdx.x;
    counts[me] = count;
#pragma unroll
    for (int j = 0; j < VEC; ++j) means[j][me] = middle[j], m2s[j][me] = m2[j];
    for (int half = THREADS / 2; half >= columns; half /= 2) {
        __syncthreads();
        if (me >= half) continue;
        Moments both;
#pragma unroll
        for (int j = 0; j < VEC; ++j) {
            both = merge({counts[me], means[j][me], m2s[j][me]},
                         {counts[me + half], means[j][me + half], m2s[j][me + half]});
            means[j][me] = both.mean, m2s[j][me] = both.m2;
        }
        counts[me] += counts[me + half];
    }

    // write this part
    const int J = gridDim.y, C = g.C;
    if (me < columns && walk.real) {
        ACC* out = parts + (i64)blockIdx.y * C + walk.c;
        const i64 further = (i64)J * C;
#if NHWC
        for (int j = 0; j < VEC; ++j) out[j] = means[j][me], out[j + further] = m2s[j][me];
#else
        Moments all = {counts[0], means[0][0], m2s[0][0]};  // every element of the packs is of one channel
        for (int j = 1; j < VEC; ++j) all = merge(all, {counts[0], means[j][0], m2s[j][0]});
        out[0] = all.mean, out[further] = all.m2;
#endif
    }
    if (!is_last(tickets + 1 + blockIdx.x, J)) return;

    // combine the means of the parts, then what lies around them
    const Channels own(C, columns);
    ACC *room = means[0], *centre = m2s[0], *spread = centre + own.count;
    const ACC* part = parts + own.first;
    const int rows = NHWC ? g.N * g.L : (i64)g.N * g.L / VEC, weight = NHWC ? 1 : VEC;
    const i64 each = ((i64)rows + J - 1) / J;
    const ACC share = (ACC)1 / rows;
    const auto rows_of = [&](int j) { return (ACC)larger(0, smaller(each, rows - j * each)); };
    over_parts(own.count, J, room, [&](int i, int j) { return part[(i64)j * C + i] * (rows_of(j) * share); });
    for (int i = me; i < own.count; i += THREADS) centre[i] = room[i];
    __syncthreads();
    over_parts(own.count, J, room, [&](int i, int j) {
        const ACC delta = rows_of(j) > 0 ? part[(i64)j * C + i] - centre[i] : (ACC)0;
        return part[(i64)(J + j) * C + i] + delta * delta * (rows_of(j) * weight);
    });
    for (int i = me; i < own.count; i += THREADS) spread[i] = room[i];
    __syncthreads();
    over_parts(own.count, 32, room, [&](int i, int lane) {
        return overflowed(centre[i], spread[i]) ? far_squares(x, g, own.first + i, centre[i], lane, 32) : (ACC)0;
    });

    // write, and count the batch once nobody asks any more how many there were
    const Factors factors(momentum, ratio, batches);
    const ACC M = (ACC)rows * weight;
    for (int i = me; i < own.count; i += THREADS) {
        const Spread found = overflowed(centre[i], spread[i]) ? Spread::far(M, room[i]) : Spread(M, spread[i], eps);
        write_moments(own.first + i, centre[i], found, factors, mean, rstd, running_mean, running_var);
    }
    if (batches && is_last(tickets, gridDim.x) && me == 0) ++*batches;
}
