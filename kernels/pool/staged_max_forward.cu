/*
Max pooling forward through shared memory: any number of channels, in rows that may begin anywhere.

math:     y[n,c,p,q] = max over r,s inside the input of x[n, c, p*stride_h - pad_h + r*dil_h, q*stride_w - pad_w + s*dil_w];
          index = r*S + s
layout:   x (N,C,H,W), y and index (N,C,P,Q), all channels-last; row-major memory is that of N*C images of one channel
threads:  a block owns rows of an image, or whole images; a thread a column of them, or every so many rows of one
shared:   0
flops:    N*C*P*Q*R*S
bytes:    e*N*C*(H*W + P*Q) + I*N*C*P*Q
requires: cut.rows and cut.images whose x, y and index fit into shared memory, all rows where there are several images
numerics: exact; the first maximum wins, the last NaN beats every number (as in PyTorch)
optional: index
*/
#include "staged.cuh"

extern "C" __global__ void staged_max_pool2d_forward(const T* x, T* y, INDEX* index, Pool2d g, Cut cut)
{
    const Block block(g, cut, g.P);
    const i64 outputs = (block.image * g.P + block.first) * g.Q * g.C;
    T* best_ones = place(cut.second, y + outputs);
    INDEX* winners = place(cut.third, index + outputs);

    pool_block(x, g, cut, block, [&](const T* plane, int p, int q, int out) {
        ACC best = __uint_as_float(0xff800000u);  // a dilated window may lie outside the input altogether
        int winner = 0;
        bool first = true;
        for (int r = 0; r < g.R; ++r) {
            const int h = g.row(p, r);
            if (!within(h, g.H)) continue;
            for (int s = 0; s < g.S; ++s) {
                const int w = g.col(q, s);
                if (!within(w, g.W)) continue;
                const ACC value = load(plane + (h * g.W + w) * g.C);
                if (first || value > best || value != value) best = value, winner = r * g.S + s;
                first = false;
            }
        }
        store(best_ones + out, best);
        if (index) winners[out] = winner;
    });
    __syncthreads();
    const int count = (block.end - block.first) * block.images * g.Q * g.C;
    move(best_ones, y + outputs, count);
    if (index) move(winners, index + outputs, count);
}
