/*
Average pooling forward through shared memory: any number of channels, in rows that may begin anywhere.

math:     y[n,c,p,q] = sum over r,s inside the input of x[n, c, p*stride_h - pad_h + r, q*stride_w - pad_w + s] / cells(p,q)
layout:   x (N,C,H,W), y (N,C,P,Q), both channels-last; row-major memory is that of N*C images of one channel
threads:  a block owns rows of an image, or whole images; a thread a column of them, or every so many rows of one
shared:   0
flops:    N*C*P*Q*R*S
bytes:    e*N*C*(H*W + P*Q)
requires: dilation 1; cut.rows and cut.images whose x and y fit into shared memory, all rows where there are several images
numerics: sums in ACC, by r, then s
*/
#include "staged.cuh"

extern "C" __global__ void staged_avg_pool2d_forward(const T* x, T* y, Pool2d g, Cut cut)
{
    const Block block(g, cut, g.P);
    const i64 outputs = (block.image * g.P + block.first) * g.Q * g.C;
    T* means = place(cut.second, y + outputs);

    pool_block(x, g, cut, block, [&](const T* plane, int p, int q, int out) {
        const int top = g.row(p, 0), left = g.col(q, 0);
        const int bottom = smaller(top + g.R, g.H), right = smaller(left + g.S, g.W);
        ACC sum = 0;
        for (int h = larger(top, 0); h < bottom; ++h) {
            for (int w = larger(left, 0); w < right; ++w) sum += load(plane + (h * g.W + w) * g.C);
        }
        store(means + out, sum / cells(g, p, q));
    });
    __syncthreads();
    move(means, y + outputs, (block.end - block.first) * block.images * g.Q * g.C);
}
