// The ways to spell a target: positions 0 to 2 S of a blank and a label in turn, at which a way is step by step; from one
// step to the next it moves on by 0, 1 or, past a blank between two labels that differ, 2 positions.
#pragma once
#include "tally.cuh"

struct Ctc {
    int N, C, L, K, S, M, blank, flat, reduction, zero_infinity;  // L: steps; K: labels that fit; S: from row to row; M: in all

    __device__ __forceinline__ int width() const { return 2 * K + 1; }
};

__device__ __forceinline__ ACC infinity() { return __uint_as_float(0x7f800000u); }
__device__ __forceinline__ ACC not_a_number() { return __uint_as_float(0x7fc00000u); }

// One sample's scores and labels.
struct Sample {
    const T* x;
    const LABEL* labels;
    int n, count, steps;

    __device__ __forceinline__ int positions() const { return 2 * count + 1; }
    __device__ __forceinline__ i64 label(int j) const { return class_of(labels[j]); }
    __device__ __forceinline__ int at_position(int s, const Ctc& g) const { return s % 2 ? (int)label(s / 2) : g.blank; }

    // The log-probability of a position's class at a step.
    __device__ __forceinline__ ACC seen(i64 step, int s, const Ctc& g) const {
        return load(x + (step * g.N + n) * g.C + at_position(s, g));
    }

    // Whether a way may come to this position from two before it.
    __device__ __forceinline__ bool skips(int s) const {
        return s % 2 && s > 1 && s < positions() && label(s / 2) != label(s / 2 - 1);
    }
};

// log of the sum of three exponentials, minus infinity of none.
__device__ __forceinline__ ACC joined(ACC a, ACC b, ACC c) {
    ACC base = a > b ? a : b;
    base = base > c ? base : c;
    if (base == -infinity()) base = 0;
    return log(exp(a - base) + exp(b - base) + exp(c - base)) + base;
}
