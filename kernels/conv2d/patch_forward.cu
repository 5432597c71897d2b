/*
conv2d forward of few or odd channels on tensor cores: the patch of x under a rectangle of pixels in shared memory, mma.sync.

math:     y[n,k,p,q] = bias[k] + sum over r,s,c of x[n,c,h,w] * weight[k,c,r,s], h = p*stride_h - pad_h + r*dil_h,
          w = q*stride_w - pad_w + s*dil_w, inside x, + residual[n,k,p,q]; then the activation that g names
layout:   x (N,H,W,C), y, residual (N,P,Q,K), weight (K,R,S,C/groups), row-major; bias (K)
threads:  a block owns BN filters of one group (blockIdx.y = group and tile of filters) and every gridDim.x-th rectangle of BM
          pixels, 2^log_wide of a row; a warp WM x WN of them
shared:   0
flops:    2*N*P*Q*K*(C//G)*R*S
bytes:    e*(N*H*W*C + N*P*Q*K + K*(C//G)*R*S)
requires: PRECISION fits T; 3 <= log_wide <= 5; without dilation of w, or with an even C/groups * dil_w; VEC > 1: K/groups a
          multiple of it, aligned arrays; dynamic shared memory for weights, pairs and the patch or the sums
numerics: products in PRECISION, running sums in float, in the order r, s, c; sums that are not finite anew
optional: bias residual
arch:     80
*/
#include "patch_product.cuh"

extern "C" __global__ void __launch_bounds__(THREADS, 1) conv2d_patch_forward(
    const T* __restrict__ x, const T* __restrict__ weight, const T* __restrict__ bias, const T* __restrict__ residual,
    T* __restrict__ y, Conv2d g, int log_wide)
{
    // seek to the block's group and filters
    const int across = ceil_div(g.Kg(), BN), group = blockIdx.y / across, first = group * g.Kg();
    const i64 each = (i64)g.R * g.S * g.Cg();  // of a filter, whose runs lie one behind the other
    const T* filters = weight + first * each;
    const int run = g.dil_w == 1 || g.S == 1 ? g.S * g.Cg() : g.Cg();

    // combine and write
    const T* beside = residual ? residual + first : nullptr;
    const Arrays arrays = {x + group * g.Cg(), bias ? bias + first : nullptr, beside, y + first};
    convolve(g, log_wide, blockIdx.y % across * BN, arrays, each,
             [&](int which, int at) { return filters + which * run + at; });
}
