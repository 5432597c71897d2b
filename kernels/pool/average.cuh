// The divisor of average pooling.
#pragma once

// Cells counted in one dimension by the window that starts at `start`: with `padded`, cells of the padding count, but
// not what ceil_mode reaches beyond it.
__device__ __forceinline__ int cells(int start, int size, int in, int pad, bool padded) {
    if (padded) return smaller(start + size, in + pad) - start;
    return smaller(start + size, in) - larger(start, 0);
}
