/*
A batch of a data set that lies on the device: rows by index, cropped, mirrored, with holes, scaled and blended.

math:     x[n] = what the steps make, one after the other, of images[index[n]]; y[n] = labels[index[n]], or with Mixup
          targets[n,k] = t + (o - t) * share, where t and o are 1 if k is the sample's label, or its partner's
layout:   images (M,C,H,W) and labels (M) of the whole set; x (N,P,Q,C), y (N), targets (N,K). words: columns of N ints,
          the index and then what the steps drew; behind them, for Mixup, the bits of a double and of a float, the
          partner's shares of images and targets. numbers: what a step fills in, or C factors and C summands
threads:  a block owns pixels of one sample, a thread all channels of one of them
shared:   0
flops:    2*N*C*P*Q
bytes:    (e + I)*N*C*P*Q + 12*N
requires: every index and partner is in range; an image, and one of the result, has less than 2^31 elements
numerics: each product and sum in ACC, rounded on its own, as NumPy does; Mixup rounds to what images are of; floats that
          it blends to less than 2^-126 are 0 on a GPU, as all kernels' are
optional: y targets
*/
#include "steps.cuh"

// Where a sample's value at a pixel comes from: the steps before `next` are done; element `at` of channel 0, if next is 0.
struct Origin { int next; i64 at; };

__device__ __forceinline__ Origin origin(const Steps& steps, const int* words, const Gather& g, int n, int y, int x) {
    const int next = go_back(steps, words + n, g.N, 0, steps.mixup, y, x);
    return {next, (i64)words[n] * g.C * g.H * g.W + (i64)y * g.W + x};
}

extern "C" __global__ void gather(
    const SOURCE* images, const i64* labels, const int* words, const ACC* numbers, T* x, i64* y, float* targets, Gather g,
    const __grid_constant__ Steps steps)
{
    // name the work
    const int n = blockIdx.x, pixel = blockIdx.y * blockDim.x + threadIdx.x;
    if (pixel >= g.P * g.Q) return;
    const bool mixes = steps.mixup < steps.count;
    const int other = mixes ? words[(i64)steps.step[steps.mixup].word * g.N + n] : n;
    const int* const shares = words + (i64)g.columns * g.N;

    // write the label
    if (y && pixel == 0) y[n] = labels[words[n]];
    for (int k = pixel; targets && k < g.K; k += g.P * g.Q) {
        const float own = labels[words[n]] == k, others = labels[words[other]] == k;
        targets[(i64)n * g.K + k] = own + times(others - own, __int_as_float(shares[2]));
    }

    // seek: back through the steps
    int row = pixel / g.Q, column = pixel % g.Q;
    const int next = go_back(steps, words + n, g.N, steps.mixup + 1, steps.count, row, column);
    const bool filled = next > steps.mixup + 1;
    const Origin mine = filled ? Origin{0, 0} : origin(steps, words, g, n, row, column);
    const Origin theirs = filled || !mixes ? Origin{0, 0} : origin(steps, words, g, other, row, column);
    const ACC share = mixes ? (ACC)__longlong_as_double((i64)shares[1] << 32 | (unsigned)shares[0]) : (ACC)0;

    // write the pixel: forward again
    T* const out = x + ((i64)n * g.P * g.Q + pixel) * g.C;
    const i64 plane = (i64)g.H * g.W;
    for (int c = 0; c < g.C; ++c) {
        auto value = [&](const Origin& from) {
            const ACC v = from.next ? numbers[steps.step[from.next - 1].number] : load(images + from.at + c * plane);
            return scaled(steps, numbers, g.C, from.next, steps.mixup, c, v);
        };
        ACC v;
        if (filled) {
            v = numbers[steps.step[next - 1].number];
        } else {
            v = value(mine);
            if (mixes) v = blended(v, value(theirs), share, steps.step[steps.mixup].size);
        }
        store(out + c, scaled(steps, numbers, g.C, next, steps.count, c, v));
    }
}
