/*
Average pooling backward through shared memory: any number of channels, in rows that may begin anywhere.

math:     gx[n,c,h,w] = sum over the windows (p,q) that cover (h,w) of gy[n,c,p,q] / cells(p,q); where an
          activation came before the pooling, whose result is x, times its slope at x
layout:   gy (N,C,P,Q), x and gx (N,C,H,W), all channels-last; row-major memory is that of N*C images of one channel;
          where g.flat gy is row-major beside a channels-last gx
threads:  a block owns rows of cells, stride_h inputs high, of an image, or whole images; a thread a column of inputs
shared:   0
flops:    2*N*C*P*Q*R*S
bytes:    e*N*C*(H*W + P*Q)
requires: dilation 1; cut.rows and cut.images whose arrays fit into shared memory, all rows where there are several images
numerics: sums in ACC, by p, then q
optional: x
*/
#include "staged.cuh"

extern "C" __global__ void staged_avg_pool2d_backward(const T* gy, const T* x, T* gx, Pool2d g, Cut cut)
{
    // Bring the windows.
    const Block block(g, cut, ceil_div(g.H + g.pad_h, g.stride_h));
    const Windows windows(g, block);
    const Inputs inputs(g, block);
    const T* above = bring(gy + (block.image * g.P + windows.first) * g.Q * g.C, windows.count * block.images, 0);
    const i64 first = (block.image * g.H + inputs.first) * g.W * g.C;
    const T* results = x ? bring(x + first, inputs.size * block.images, cut.second) : x;
    T* made = place(cut.last, gx + first);
    __syncthreads();

    // Spread them, from the first window over a place to the last.
    spread_block(g, cut, block, [&](int image, int u, int v, int i, int j, int c, int own) {
        const int rows = smaller((g.R - 1 - i) / g.stride_h, u), columns = smaller((g.S - 1 - j) / g.stride_w, v);
        ACC sum = 0;
        for (int p = u - rows; p <= u && p < g.P && i < g.R; ++p) {
            for (int q = v - columns; q <= v && q < g.Q && j < g.S; ++q) {
                sum += load(above + windows.at(image, p, q, c)) / cells(g, p, q);
            }
        }
        store(made + own, x ? derived(sum, (ACC)load(results + own), g.activation) : sum);
    });

    // Take out what they gave.
    __syncthreads();
    move(made, gx + first, inputs.size * block.images);
}
