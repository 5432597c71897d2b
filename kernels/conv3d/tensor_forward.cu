/*
conv3d forward on tensor cores: conv2d's implicit GEMM with one axis more in its tables.

math:     y[n,k,o,p,q] = bias[k] + sum over a,r,s,c of x[n,c,d,h,w] * weight[k,c,a,r,s], d = o*stride_d - pad_d + a*dil_d,
          h = p*stride_h - pad_h + r*dil_h, w = q*stride_w - pad_w + s*dil_w, inside x,
          + residual[n,k,o,p,q]; then the activation that g names
layout:   x (N,D,H,W,C), y, residual (N,O,P,Q,K), weight (K,A,R,S,C/groups), row-major; bias (K)
threads:  a block owns BM voxels x BN filters of one group (blockIdx.y), a warp WM x WN of them
shared:   12*BM + 256
flops:    2*N*O*P*Q*K*(C//G)*A*R*S
bytes:    e*(N*D*H*W*C + N*O*P*Q*K + K*(C//G)*A*R*S)
requires: C/groups and K/groups multiples of V = 16/e; aligned arrays of up to 2^31 packs of 16 bytes; up to 32 taps;
          PRECISION fits T; dynamic shared memory for STAGES stages and for the sums
numerics: products in PRECISION, running sums in float, in the order a, r, s, c; of TF32X3 sums that are not finite anew
optional: bias residual
arch:     80
*/
#define ACROSS 0
#include "../tensor/implicit.cuh"
#include "geometry.cuh"

extern "C" __global__ void __launch_bounds__(BOUNDS) conv3d_tensor_forward(
    const T* __restrict__ x, const T* __restrict__ weight, const T* __restrict__ bias, const T* __restrict__ residual,
    T* __restrict__ y, Conv3d g)
{
    // seek to the block's tile: neighbours share its voxels
    extern __shared__ __align__(128) char area[];
    __shared__ Table table;
    const int group = blockIdx.y, Cg = g.Cg(), Kg = g.Kg(), taps = g.A * g.R * g.S, across = ceil_div(Kg, BN);
    const int first_row = blockIdx.x / across * BM, first_column = blockIdx.x % across * BN;
    const int left = g.N * g.O * g.P * g.Q - first_row, packs = g.C / EACH;
    for (int t = threadIdx.x; t < taps; t += THREADS) {
        const int d = t / g.S / g.R * g.dil_d, h = t / g.S % g.R * g.dil_h, w = t % g.S * g.dil_w;
        table.source[t] = ((d * g.H + h) * g.W + w) * packs;
        table.weight[t] = t * (Cg / EACH);
    }
    for (int row = threadIdx.x; row < BM; row += THREADS) {
        const int m = first_row + row, n = m / g.Q / g.P / g.O;
        const int d = g.plane(m / g.Q / g.P % g.O, 0), h = g.row(m / g.Q % g.P, 0), w = g.col(m % g.Q, 0);
        unsigned mask = 0;
        for (int t = 0; t < taps; ++t) {
            const int a = t / g.S / g.R * g.dil_d, r = t / g.S % g.R * g.dil_h, s = t % g.S * g.dil_w;
            mask |= (unsigned)g.inside(d + a, h + r, w + s) << t;
        }
        table.from[row] = (((n * g.D + d) * g.H + h) * g.W + w) * packs;
        table.mask[row] = row < left ? mask : 0u;
        table.to[row] = row < left ? m * (g.K / EACH) : -1;
    }
    __syncthreads();

    // combine
    const T* filters = weight + (i64)group * Kg * taps * Cg;
    const Operands operands = {x + group * Cg, filters, taps, Cg / EACH, Kg, taps * (Cg / EACH)};
    float sums[MI][NI][4] = {};
    multiply_taps(operands, table, first_column, area, sums);

    // write
    T* out = y + group * Kg;
    store_tile(
        sums, area, first_column, Kg, bias ? bias + group * Kg : nullptr, g.activation,
        [&](int row) { return table.to[row] < 0 ? nullptr : out + (i64)table.to[row] * EACH; },
        [&](int row, int column) { return plain_sum(operands, table, row, column); },
        residual ? residual + group * Kg : nullptr, out);
}
