/*
conv3d gradient of the input on tensor cores: conv2d's, with one axis more in its tables and in the classes of a stride.

math:     gx[n,c,d,h,w] = sum over a,r,s,k of gy[n,k,o,p,q] * weight[k,c,a,r,s] where o*stride_d - pad_d + a*dil_d = d,
          p*stride_h - pad_h + r*dil_h = h, q*stride_w - pad_w + s*dil_w = w
layout:   gy (N,O,P,Q,K), gx (N,D,H,W,C), weight (K,A,R,S,C/groups), row-major
threads:  a block owns BM voxels of one class x BN channels of one group (blockIdx.y = group and class), a warp WM x WN
shared:   12*BM + 256
flops:    2*N*O*P*Q*K*(C//G)*A*R*S
bytes:    e*(N*D*H*W*C + N*O*P*Q*K + K*(C//G)*A*R*S)
requires: C/groups and K/groups multiples of V = 16/e; aligned arrays of up to 2^31 packs of 16 bytes; up to 32 taps;
          PRECISION fits T; dynamic shared memory for STAGES stages and for the sums
numerics: products in PRECISION, running sums in float, in the order a, r, s, k; of TF32X3 sums that are not finite anew
arch:     80
*/
#define ACROSS 1
#include "../tensor/implicit.cuh"
#include "geometry.cuh"

extern "C" __global__ void __launch_bounds__(BOUNDS) conv3d_tensor_grad_input(
    const T* __restrict__ gy, const T* __restrict__ weight, T* __restrict__ gx, Conv3d g)
{
    // seek to the block's class and tile: neighbours share its voxels
    extern __shared__ __align__(128) char area[];
    __shared__ Table table;
    const int group = blockIdx.y % g.groups, kind = blockIdx.y / g.groups, Cg = g.Cg(), Kg = g.Kg();
    const int class_w = kind % g.stride_w, class_h = kind / g.stride_w % g.stride_h, class_d = kind / g.stride_w / g.stride_h;
    const int planes = ceil_div(g.D - class_d, g.stride_d), rows = ceil_div(g.H - class_h, g.stride_h);  // of this class
    const int cols = ceil_div(g.W - class_w, g.stride_w), across = ceil_div(Cg, BN);
    const int M = planes > 0 && rows > 0 && cols > 0 ? g.N * planes * rows * cols : 0;
    const int first_row = blockIdx.x / across * BM, first_column = blockIdx.x % across * BN;
    if (first_row >= M) return;  // the whole block, so no barrier is missed

    // the class's taps, each so far before a voxel's place on each axis, and the voxels that they meet
    const int before = class_d + g.pad_d, above = class_h + g.pad_h, left = class_w + g.pad_w, packs = g.K / EACH;
    int taps = 0;
    for (int t = 0; t < g.A * g.R * g.S; ++t) {
        const int d = before - t / g.S / g.R * g.dil_d, h = above - t / g.S % g.R * g.dil_h, w = left - t % g.S * g.dil_w;
        if (d % g.stride_d || h % g.stride_h || w % g.stride_w) continue;
        const int o = d / g.stride_d, p = h / g.stride_h, q = w / g.stride_w;
        if (threadIdx.x == 0) {
            table.source[taps] = ((o * g.P + p) * g.Q + q) * packs;
            table.weight[taps] = t * (Cg / EACH);
        }
        for (int row = threadIdx.x; row < BM; row += THREADS) {
            const int m = first_row + row, i = m / cols / rows % planes, j = m / cols % rows, k = m % cols;
            const unsigned met = row < M - first_row && within(i + o, g.O) && within(j + p, g.P) && within(k + q, g.Q);
            table.mask[row] = (taps ? table.mask[row] : 0u) | met << taps;
        }
        ++taps;
    }
    for (int row = threadIdx.x; row < BM; row += THREADS) {
        const int m = first_row + row, n = m / cols / rows / planes;
        const int i = m / cols / rows % planes, j = m / cols % rows, k = m % cols;
        const int d = class_d + i * g.stride_d, h = class_h + j * g.stride_h, w = class_w + k * g.stride_w;
        if (!taps) table.mask[row] = 0;
        table.from[row] = (((n * g.O + i) * g.P + j) * g.Q + k) * packs;
        table.to[row] = row < M - first_row ? (((n * g.D + d) * g.H + h) * g.W + w) * (g.C / EACH) : -1;
    }
    __syncthreads();

    // combine
    const T* filters = weight + (i64)group * Kg * g.A * g.R * g.S * Cg;
    const Operands operands = {gy + group * Kg, filters, taps, Kg / EACH, Cg, g.A * g.R * g.S * (Cg / EACH)};
    float sums[MI][NI][4] = {};
    multiply_taps(operands, table, first_column, area, sums);

    // write
    T* out = gx + group * Cg;
    store_tile(
        sums, area, first_column, Cg, nullptr, NOTHING,
        [&](int row) { return table.to[row] < 0 ? nullptr : out + (i64)table.to[row] * EACH; },
        [&](int row, int column) { return plain_sum(operands, table, row, column); });
}
