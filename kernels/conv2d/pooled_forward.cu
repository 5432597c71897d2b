/*
conv2d forward, activation and pooling in one pass, for LeNet-sized layers: a block pools its own outputs.

math:     a[n,k,p,q] = f(bias[k] + sum over c,r,s of x[n, c, p - pad_h + r, q - pad_w + s] * weight[k,c,r,s]); y the mean or
          the maximum of a over windows that step_h and step_w part, index = r*S + s where in its window the maximum is
layout:   x (N,H,W,C), a (N,P,Q,K), y and index (N,U,V,K) or, flat, (N,K,U,V), weight (K,R,S,C), row-major; bias (K)
threads:  a block owns `rows` rows of y of one image and FILTERS filters; a thread has 2x2 outputs of 4 filters, and where
          outputs are few every `parts`-th channel of them
shared:   0
flops:    2*N*P*Q*K*C*R*S + N*K*L*M
bytes:    e*(N*H*W*C + N*L*K + K*C*R*S)
requires: float32, float16 or bfloat16; stride 1, no dilation, no groups; whole windows without padding, up to 256 positions;
          dynamic shared memory for the block's part of x, its filters, and its part of a
numerics: sums in float, a channel after the other and r, s within it, the parts in order; a unrounded as it is pooled
optional: bias a index
*/
#include "pooled.cuh"

extern "C" __global__ void __launch_bounds__(512, 1) conv2d_pooled_forward(
    const T* __restrict__ x, const T* __restrict__ weight, const T* __restrict__ bias, T* __restrict__ a,
    T* __restrict__ y, INDEX* __restrict__ index, Pooled2d g)
{
    // seek to the block's rows and filters, and to this thread's outputs among them
    extern __shared__ ACC shared[];
    const int cols = ceil_div(g.Q, 2) * 2, pitch = cols - 2 + REACH, height = g.tile_rows + TAPS_H - 1;
    ACC *filters = shared, *tile = filters + CHANNELS * TAPS * FILTERS, *patch = tile + g.tile_rows * cols * FILTERS;
    const int bands = ceil_div(g.U, g.rows), n = blockIdx.x / bands, first_u = blockIdx.x % bands * g.rows;
    const int first_k = blockIdx.y * FILTERS, top = first_u * g.step_h;
    const int quads = g.tile_rows * cols / 4, quad = threadIdx.x % quads, group = threadIdx.x / quads;
    const int row = quad / (cols / 2) * 2, col = quad % (cols / 2) * 2;
    const int column = group % (FILTERS / 4) * 4, part = group / (FILTERS / 4);

    // fetch the patch of x, zeros around it, and the filters, both channel by channel
    const T* image = x + (i64)n * g.H * g.W * CHANNELS;
    for (int i = threadIdx.x / 32; i < height; i += blockDim.x / 32) {
        const int h = top + i - g.pad_h;
        fetch(threadIdx.x % 32, pitch * CHANNELS, 32,
            [&](int j) {
                const int w = j / CHANNELS - g.pad_w;
                return within(h, g.H) && within(w, g.W) ? image[(h * g.W + w) * CHANNELS + j % CHANNELS] : T{};
            },
            [&](int j, ACC v) { patch[(j % CHANNELS * height + i) * pitch + j / CHANNELS] = v; });
    }
    fetch(threadIdx.x, FILTERS * TAPS * CHANNELS, blockDim.x,
        [&](int j) {
            const int k = first_k + j / (TAPS * CHANNELS);
            return k < g.K ? weight[(i64)first_k * TAPS * CHANNELS + j] : T{};
        },
        [&](int j, ACC v) {
            const int d = j % (TAPS * CHANNELS);
            filters[(d % CHANNELS * TAPS + d / CHANNELS) * FILTERS + j / (TAPS * CHANNELS)] = v;
        });
    __syncthreads();

    // combine, and add the parts up in order
    ACC sums[4][4] = {};
#pragma unroll 1  // and g.C, not CHANNELS: of a single channel, all filters would be read ahead, and spilled
    for (int c = part < g.parts ? part : g.C; c < g.C; c += g.parts) {
        const ACC* corner = patch + (c * height + row) * pitch + col;
        add_channel(corner, pitch, filters + c * TAPS * FILTERS + column, sums);
    }
    for (int turn = 0; turn < g.parts; ++turn) {
        if (part == turn) add_quad(tile + (row * cols + col) * FILTERS + column, cols, turn > 0, sums);
        __syncthreads();
    }

    // activate; what overlapping windows share belongs to the block above
    const int live = smaller(g.P - top, g.tile_rows), own = first_u + g.rows < g.U ? g.rows * g.step_h : live;
    for (int i = threadIdx.x; i < live * cols * FILTERS; i += blockDim.x) {
        const int k = first_k + i % FILTERS, q = i / FILTERS % cols, p = i / FILTERS / cols;
        if (k >= g.K || q >= g.Q) continue;
        tile[i] = activated(bias ? tile[i] + load(bias + k) : tile[i], g.activation);
        if (a && p < own) store(a + (((i64)n * g.P + top + p) * g.Q + q) * g.K + k, tile[i]);
    }
    __syncthreads();

    // pool
    for (int i = threadIdx.x; i < smaller(g.U - first_u, g.rows) * g.V * FILTERS; i += blockDim.x) {
        const int k = first_k + i % FILTERS, v = i / FILTERS % g.V, u = i / FILTERS / g.V;
        if (k >= g.K) continue;
        int winner = 0;
        const ACC* corner = tile + (u * g.step_h * cols + v * g.step_w) * FILTERS + i % FILTERS;
        const ACC value = pooled(corner, cols, g, winner);
        const i64 place = (i64)n * g.U * g.V * g.K;
        const i64 out = place + (g.flat ? (k * g.U + first_u + u) * g.V + v : ((first_u + u) * g.V + v) * g.K + k);
        store(y + out, value);
        if (index) index[out] = winner;
    }
}
