/*
conv2d's weights as wgmma's TF32 reads them: rounded, since its unit cuts 13 bits off, and with their depth along rows.

math:     ready[0] = weight to the nearest TF32; of TF32X3 ready[1] = (weight - ready[0]) to the nearest TF32
layout:   weight (K,R,S,C/groups), row-major; ready (1 or 2, *weight's), ACROSS (1 or 2, groups, C/groups, R, S, K/groups)
threads:  a block owns 32 filters x 32 channels of one position of one group's window, a warp 4 rows of them
shared:   4224
flops:    K*(C//G)*R*S
bytes:    e*K*(C//G)*R*S*2
requires: float; PRECISION TF32 or TF32X3
numerics: ties away from 0; beyond TF32's largest number infinity, and of an infinity the small part is NaN
arch:     90a
*/
#include "../tensor/precision.cuh"
#include "geometry.cuh"

extern "C" __global__ void __launch_bounds__(256) conv2d_wgmma_weight(
    const T* __restrict__ weight, ACC* __restrict__ ready, Conv2d g)
{
    // seek to the block's filters and channels
    __shared__ ACC square[32][33];  // + 1: columns are read, too
    const int Cg = g.Cg(), Kg = g.Kg(), taps = g.R * g.S, across = ceil_div(Cg, 32), down = ceil_div(Kg, 32);
    const int c = blockIdx.x % across * 32, k = blockIdx.x / across % down * 32;
    const int tap = blockIdx.x / across / down % taps, group = blockIdx.x / across / down / taps;
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;

    // rows of channels
#pragma unroll
    for (int i = warp; i < 32; i += 8) {
        if (k + i >= Kg || c + lane >= Cg) continue;
        square[i][lane] = weight[((i64)(group * Kg + k + i) * taps + tap) * Cg + c + lane];
    }
    __syncthreads();

    // write them, or rows of filters
    const int rows = ACROSS ? Cg - c : Kg - k, columns = ACROSS ? Kg - k : Cg - c;
    const i64 first = ACROSS ? (i64)group * Cg + c : (i64)group * Kg + k;
#pragma unroll
    for (int i = warp; i < 32; i += 8) {
        if (i >= rows || lane >= columns) continue;
        const unsigned whole = __float_as_uint(ACROSS ? square[lane][i] : square[i][lane]);
        const i64 to = ((first + i) * taps + tap) * (ACROSS ? Kg : Cg) + (ACROSS ? k : c) + lane;
#if PRECISION == TF32X3
        unsigned small;
        ready[to] = __uint_as_float(split_tf32(whole, small));
        ready[(i64)g.K * taps * Cg + to] = __uint_as_float(to_tf32(small));
#else
        ready[to] = __uint_as_float(to_tf32(whole));
#endif
    }
}
