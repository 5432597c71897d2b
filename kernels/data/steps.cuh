// The steps of gpunn/data/augment as the gathering kernel takes them: places are sought backwards, values made forwards.
#pragma once
#include "../common.cuh"

enum { FLIP, CROP, HOLE, SCALE, MIXUP };  // kinds, in the order of gpunn/cuda/gather.py
enum { CONSTANT, REFLECT, EDGE };         // what a crop shows outside the image

// (M,C,H,W) to N samples of P x Q, K classes; so many columns has `words`.
struct Gather {
    int N, C, H, W, P, Q, K, columns;
};

// `word` is the column of the first number that the step drew, `number` the place of its constants; the step takes images
// of height x width; `size` is a crop's padding, a hole's side, or 1 where Mixup blends bytes.
struct Step { int kind, word, number, height, width, size, mode; };
// The first `count` of them; `mixup` is the number of the one that blends, or `count`.
struct Steps { Step step[8]; int count, mixup; };

__device__ __forceinline__ float load(const unsigned char* p) { return *p; }
__device__ __forceinline__ void store(unsigned char* p, float v) { *p = (unsigned char)v; }

// A place outside 0..size-1, at most size - 1 away from it, as if the border pixel were a mirror.
__device__ __forceinline__ int reflected(int i, int size) { return i < 0 ? -i : i < size ? i : 2 * size - 2 - i; }

// Takes the place (y, x) from behind the steps first..last-1 to before them. Returns `first`, or, where a step fills the
// pixel in, one more than that step's number. `word` is the sample's first; columns are N apart.
__device__ __forceinline__ int go_back(const Steps& steps, const int* word, int N, int first, int last, int& y, int& x) {
    for (int k = last - 1; k >= first; --k) {
        const Step& s = steps.step[k];
        const int* const drawn = word + (i64)s.word * N;
        if (s.kind == FLIP) {
            if (drawn[0]) x = s.width - 1 - x;
        } else if (s.kind == CROP) {
            y += drawn[0] - s.size, x += drawn[N] - s.size;
            if (s.mode == CONSTANT && !(within(y, s.height) && within(x, s.width))) return k + 1;
            if (s.mode == REFLECT) y = reflected(y, s.height), x = reflected(x, s.width);
            if (s.mode == EDGE) y = larger(0, smaller(y, s.height - 1)), x = larger(0, smaller(x, s.width - 1));
        } else if (s.kind == HOLE) {
            if (within(y - drawn[0], s.size) && within(x - drawn[N], s.size)) return k + 1;
        }
    }
    return first;
}

// What the steps first..last-1 make of a value of channel c.
__device__ __forceinline__ ACC scaled(
    const Steps& steps, const ACC* numbers, int C, int first, int last, int c, ACC value)
{
    for (int k = first; k < last; ++k) {
        const ACC* const number = numbers + steps.step[k].number;
        if (steps.step[k].kind == SCALE) value = times(value, number[c]) - number[C + c];
    }
    return value;
}

// A value as an image of T holds it; bytes are blended in floats.
__device__ __forceinline__ ACC held(ACC value) {
    if constexpr (sizeof(T) == 1) return value;
    T kept;
    store(&kept, value);
    return load(&kept);
}

__device__ __forceinline__ ACC blended(ACC mine, ACC theirs, ACC share, bool bytes) {
    const ACC v = held(mine + held(times(held(theirs - mine), share)));
    return bytes ? fmin(fmax(rint(v), (ACC)0), (ACC)255) : v;
}
