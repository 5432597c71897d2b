/*
Max pooling backward through shared memory: any number of channels, in rows that may begin anywhere.

math:     gx[n,c,h,w] = sum of gy[n,c,p,q] over the windows (p,q) whose index names (h,w); where an activation came before
          the pooling, whose result is y, gy times its slope at y
layout:   gy, index and y (N,C,P,Q), gx (N,C,H,W), all channels-last; row-major memory is that of N*C images of one channel;
          where g.flat the first three are row-major beside a channels-last gx
threads:  a block owns rows of cells, stride_h inputs high, of an image, or whole images; a thread a column of inputs
shared:   0
flops:    N*C*P*Q
bytes:    e*N*C*(H*W + P*Q) + I*N*C*P*Q
requires: dilation 1; cut.rows and cut.images whose arrays fit into shared memory, all rows where there are several images
numerics: sums in ACC, by r, then s
optional: y
*/
#include "staged.cuh"

extern "C" __global__ void staged_max_pool2d_backward(
    const T* gy, const INDEX* index, const T* y, T* gx, Pool2d g, Cut cut)
{
    // Bring the windows.
    const Block block(g, cut, ceil_div(g.H + g.pad_h, g.stride_h));
    const Windows windows(g, block);
    const Inputs inputs(g, block);
    const i64 outputs = (block.image * g.P + windows.first) * g.Q * g.C;
    const T* above = bring(gy + outputs, windows.count * block.images, 0);
    const INDEX* winners = bring(index + outputs, windows.count * block.images, cut.second);
    const T* results = y ? bring(y + outputs, windows.count * block.images, cut.third) : y;
    T* there = gx + (block.image * g.H + inputs.first) * g.W * g.C;
    T* made = place(cut.last, there);
    __syncthreads();

    // Spread them.
    spread_block(g, cut, block, [&](int image, int u, int v, int i, int j, int c, int own) {
        ACC sum = 0;
        for (int r = i, p = u; r < g.R && p >= 0; r += g.stride_h, --p) {
            if (p >= g.P) continue;
            for (int s = j, q = v; s < g.S && q >= 0; s += g.stride_w, --q) {
                const int out = windows.at(image, p, q, c);
                if (q >= g.Q) continue;
                ACC value = load(above + out);
                if (y) value = derived(value, (ACC)load(results + out), g.activation);
                if (winners[out] == r * g.S + s) sum += value;
            }
        }
        store(made + own, sum);
    });

    // Take out what they gave.
    __syncthreads();
    move(made, there, inputs.size * block.images);
}
