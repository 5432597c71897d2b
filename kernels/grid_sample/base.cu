/*
The places of an image's own pixels, from -1 to 1: what affine maps are multiplied with.

math:     base[l] = (x, y, 1) of pixel l, of volumes (x, y, z, 1); along an axis of n pixels (2i - (n - 1)) / n, with
          align_corners (2i - (n - 1)) / (n - 1), of one pixel 0
layout:   base (D,H,W,RANK+1), row-major
threads:  a thread owns one pixel
shared:   0
flops:    D*H*W*RANK
bytes:    e*D*H*W*(RANK + 1)
requires: D = 1 where RANK = 2; D*H*W*(RANK + 1) below 2^31
numerics: one rounded division in ACC
*/
#include "../common.cuh"

struct Base {
    int D, H, W, align_corners;
};

__device__ __forceinline__ ACC place(int i, int n, bool align_corners) {
    return n == 1 ? 0 : (ACC)(2 * (i64)i - (n - 1)) / (align_corners ? n - 1 : n);
}

extern "C" __global__ void __launch_bounds__(256) grid_sample_base(T* base, Base g)
{
    const i64 l = thread_index();
    if (l >= g.D * g.H * g.W) return;
    const int at = (int)l;
    T* own = base + at * (RANK + 1);
    store(own, place(at % g.W, g.W, g.align_corners));
    store(own + 1, place(at / g.W % g.H, g.H, g.align_corners));
    if constexpr (RANK == 3) store(own + 2, place(at / g.W / g.H, g.D, g.align_corners));
    store(own + RANK, 1);
}
