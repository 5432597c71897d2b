/*
conv2d gradient of the input of few or odd channels on tensor cores, at stride 1: the forward's way (patch_forward.cu), with
the taps in reverse, the patch one of gy.

math:     gx[n,c,h,w] = sum over r,s,k of gy[n,k,h + pad_h - r*dil_h,w + pad_w - s*dil_w] * weight[k,c,r,s], inside gy
layout:   gy (N,P,Q,K), gx (N,H,W,C), weight (K,R,S,C/groups), row-major
threads:  a block owns BN channels of one group (blockIdx.y = group and tile of channels) and every gridDim.x-th rectangle of
          BM pixels, 2^log_wide of a row; a warp WM x WN of them
shared:   0
flops:    2*N*P*Q*K*(C//G)*R*S
bytes:    e*(N*H*W*C + N*P*Q*K + K*(C//G)*R*S)
requires: stride 1; PRECISION fits T; 3 <= log_wide <= 5; without dilation of w, or with an even K/groups * dil_w; VEC > 1:
          C/groups a multiple of it, aligned arrays; dynamic shared memory for weights, pairs and the patch or the sums
numerics: products in PRECISION, running sums in float, in the order r, s (from the last on), k; sums that are not finite anew
arch:     80
*/
#include "patch_product.cuh"

extern "C" __global__ void __launch_bounds__(THREADS, 1) conv2d_patch_grad_input(
    const T* __restrict__ gy, const T* __restrict__ weight, T* __restrict__ gx, Conv2d g, int log_wide)
{
    // the same as a forward pass from gy to gx
    const Conv2d back = {g.N, g.K, g.P, g.Q, g.C, g.R, g.S, g.H, g.W, 1, 1, (g.R - 1) * g.dil_h - g.pad_h,
                         (g.S - 1) * g.dil_w - g.pad_w, g.dil_h, g.dil_w, g.groups, NOTHING};
    const int Cg = g.Cg(), Kg = g.Kg(), across = ceil_div(Cg, BN), group = blockIdx.y / across;
    const T* filters = weight + (i64)group * Kg * g.R * g.S * Cg;
    const bool whole = g.dil_w == 1 || g.S == 1;

    // combine and write
    const Arrays arrays = {gy + group * Kg, nullptr, nullptr, gx + group * Cg};
    convolve(back, log_wide, blockIdx.y % across * BN, arrays, 1, [&](int which, int at) {
        const int tap = g.R * g.S - 1 - (whole ? which * g.S + at / Kg : which), k = whole ? at % Kg : at;
        return filters + ((i64)k * g.R * g.S + tap) * Cg;
    });
}
