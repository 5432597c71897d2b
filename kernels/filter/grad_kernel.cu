/*
Filter, gradient of the taps: each tap's sum over all outputs, in parts of the rows.

math:     parts[j, (a*R + r)*S + s] = sum over the rows (n,d,h) of part j and over w of
          gy[n,d,h,w] * x[n, d - front + a, h - top + r, w - left + s]; a place outside x is a copy of the one that the
          border names, or 0
layout:   gy, x (N,D,H,W), parts (J,A,R,S), row-major
threads:  a block owns TAPS_W taps of one row of them in one part; its threads share the part's rows, and a tree adds up
shared:   (4 if e < 8 else 8)*8*TAPS_W
flops:    2*N*D*H*W*A*R*S
bytes:    2*e*N*D*H*W + (4 if e < 8 else 8)*J*A*R*S
requires: 256 threads; the grid is J by A*R by the runs of TAPS_W among S
numerics: products and sums in ACC, a thread's in the order of rows; lanes, then warps, then (reduce/sum_parts) parts
*/
#include "planes.cuh"

extern "C" __global__ void __launch_bounds__(256, 3) filter_grad_kernel(const T* gy, const T* x, ACC* parts, Planes g)
{
    // Name the work.
    const int a = blockIdx.y / g.R, r = blockIdx.y % g.R, first = blockIdx.z * TAPS_W;
    const i64 rows = (i64)g.N * g.D * g.H, each = (rows + gridDim.x - 1) / gridDim.x;
    const i64 begin = blockIdx.x * each, end = begin + each < rows ? begin + each : rows;

    // Go along the part's rows.
    ACC sum[TAPS_W] = {};
    int lanes = blockDim.x;  // that share a row
    while (lanes / 2 >= g.W) lanes /= 2;
    for (i64 at = begin + threadIdx.x / lanes; at < end; at += blockDim.x / lanes) {
        const Place own(g, at * g.W);
        const int d = mapped(own.d - g.front + a, g.D, g.border), h = mapped(own.h - g.top + r, g.H, g.border);
        if (d < 0 || h < 0) continue;
        const T* row = x + ((own.n * g.D + d) * g.H + h) * g.W;
        for (int q = threadIdx.x % lanes; q < g.W; q += lanes) {
            const ACC above = load(gy + at * g.W + q);
#pragma unroll
            for (int s = 0; s < TAPS_W; ++s) {
                const int w = mapped(q - g.left + first + s, g.W, g.border);
                if (w >= 0) sum[s] += above * load(row + w);
            }
        }
    }

    // Add up the block's threads.
    __shared__ ACC warps[8][TAPS_W];
#pragma unroll
    for (int s = 0; s < TAPS_W; ++s) {
        const ACC lanes = add_lanes(sum[s]);
        if (threadIdx.x % 32 == 0) warps[threadIdx.x / 32][s] = lanes;
    }
    __syncthreads();

    // Write.
    const int own = threadIdx.x;
    if (own >= TAPS_W || first + own >= g.S) return;
    ACC total = 0;
    for (int warp = 0; warp < 8; ++warp) total += warps[warp][own];
    parts[((i64)blockIdx.x * g.A * g.R + blockIdx.y) * g.S + first + own] = total;
}
