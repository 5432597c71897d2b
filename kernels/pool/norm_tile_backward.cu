/*
Norm pooling backward of windows that do not overlap: a window's result and gradient are read once.

math:     gx[n,c,d,h,w] = gy * A*R*S / cells * (x / y)^(power - 1) of the window (o,p,q) that covers (d,h,w); 0 where there
          is none, or y is 0
layout:   gy and y (N,C,O,P,Q), x and gx (N,C,D,H,W), all channels-last
threads:  a thread owns VEC channels of one output: its window, and what lies between that and the next ones, or the edge
shared:   0
flops:    4*N*C*O*P*Q*A*R*S
bytes:    2*e*N*C*(D*H*W + O*P*Q)
requires: NHWC = 1; strides of the window's size at least; no padding; one sample below 2^31 elements; C % VEC = 0;
          power 1 or 2
numerics: a product in ACC
*/
#include "norm.cuh"

// Up to where output p of P owns the input's n positions.
__device__ __forceinline__ int edge(int p, int P, int stride, int n) { return p + 1 == P ? n : smaller((p + 1) * stride, n); }

extern "C" __global__ void norm_tile_pool_backward(const T* gy, const T* x, const T* y, T* gx, Norm g, ACC power)
{
    const Spot at(thread_index(), g, g.O, g.P, g.Q);
    if (!at.real) return;
    const Cell cell = g.cell(at.d, at.h, at.w);
    const Cell owned(cell.front, edge(at.d, g.O, g.stride_d, g.D), cell.top, edge(at.h, g.P, g.stride_h, g.H), cell.left,
                     edge(at.w, g.Q, g.stride_w, g.W));
    const i64 inputs = at.base(g, g.D * g.H * g.W);

    ACC above[VEC], result[VEC];
    load_channels<VEC>(gy + at.own, above);
    load_channels<VEC>(y + at.own, result);
    const ACC scale = g.scale(cell);
#pragma unroll
    for (int j = 0; j < VEC; ++j) above[j] *= scale;
    for (int d = owned.front; d < owned.back; ++d) {
        for (int h = owned.top; h < owned.bottom; ++h) {
#pragma unroll 2
            for (int w = owned.left; w < owned.right; ++w) {
                const i64 input = inputs + ((d * g.H + h) * g.W + w) * g.step();
                ACC value[VEC] = {};
                if (d < cell.back && h < cell.bottom && w < cell.right) {
                    load_channels<VEC>(x + input, value);
#pragma unroll
                    for (int j = 0; j < VEC; ++j) value[j] = part(above[j], value[j], result[j], power);
                }
                store_channels<VEC>(gx + input, value);
            }
        }
    }
}
