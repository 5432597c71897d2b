// The norm of many tensors taken as one vector, of any order > 0: its sum, how parts are joined, and what becomes of it.
#pragma once
#include "../common.cuh"

const int THREADS = 256;

// The sum of (|x| * unit)^order. The unit, 1 over the power of two below the largest |x|, keeps squares of 1e30 finite and
// those of 1e-30 above 0, and rounds nothing. Orders 1 and infinity, a sum and a maximum of |x|, leave it at 1.
struct Sum { ACC unit, sum; };

__device__ __forceinline__ bool is_plain(ACC order) { return order == 1 || isinf(order); }

__device__ __forceinline__ ACC norm_power(ACC x, ACC order) { return order == 2 ? x * x : (ACC)pow(x, order); }

// 1 over the power of two at or below x, a normal number also where x is the largest one, infinite, or 0.
__device__ __forceinline__ float unit_of(float x) {
    const float power = __uint_as_float(__float_as_uint(x) & 0x7f800000u);
    return 1 / (power < 0x1p-126f ? 0x1p-126f : power > 0x1p126f ? 0x1p126f : power);
}
__device__ __forceinline__ double unit_of(double x) {
    const double power = __longlong_as_double(__double_as_longlong(x) & 0x7ff0000000000000ll);
    return 1 / (power < 0x1p-1022 ? 0x1p-1022 : power > 0x1p1022 ? 0x1p1022 : power);
}

__device__ __forceinline__ Sum norm_start(ACC order) { return {is_plain(order) ? 1 : unit_of((ACC)0), 0}; }

__device__ __forceinline__ void norm_add(Sum& mine, ACC x, ACC order) {
    const ACC size = x < 0 ? -x : x;
    if (!is_plain(order) && size * mine.unit >= 2) {
        const ACC unit = unit_of(size);
        mine.sum *= norm_power(unit / mine.unit, order);
        mine.unit = unit;
    }
    if (!isinf(order)) mine.sum += is_plain(order) ? size : norm_power(size * mine.unit, order);
    else if (size > mine.sum || size != size) mine.sum = size;  // NaN stays NaN
}

__device__ __forceinline__ Sum norm_joined(const Sum& a, const Sum& b, ACC order) {
    if (isinf(order)) return b.sum > a.sum || b.sum != b.sum ? b : a;
    if (is_plain(order)) return {1, a.sum + b.sum};
    if (b.unit < a.unit) return {b.unit, a.sum * norm_power(b.unit / a.unit, order) + b.sum};
    return {a.unit, a.sum + b.sum * norm_power(a.unit / b.unit, order)};
}

__device__ __forceinline__ ACC norm_root(const Sum& all, ACC order) {
    if (is_plain(order)) return all.sum;
    return (order == 2 ? (ACC)sqrt(all.sum) : (ACC)pow(all.sum, 1 / order)) / all.unit;
}

// The block's sums joined, in thread 0: a tree of fixed shape.
__device__ __forceinline__ Sum norm_block(const Sum& mine, ACC order) {
    __shared__ ACC units[THREADS], sums[THREADS];
    const int me = threadIdx.x;
    units[me] = mine.unit, sums[me] = mine.sum;
    for (int half = THREADS / 2; half > 0; half /= 2) {
        __syncthreads();
        if (me >= half) continue;
        const Sum both = norm_joined({units[me], sums[me]}, {units[me + half], sums[me + half]}, order);
        units[me] = both.unit, sums[me] = both.sum;
    }
    return {units[me], sums[me]};  // not [0], which the other threads would read while thread 0 writes it
}
