// Activations: value(x) and gradient(gy, kept), where kept is x or y as the launcher says. a and b are their options.
// NaN stays NaN throughout; no exponent is positive, so that nothing overflows on the way.
#pragma once
#include "../common.cuh"

template <typename A> __device__ __forceinline__ A logistic(A x) {
    return exp(x < 0 ? x : A(0)) / (1 + exp(x < 0 ? x : -x));
}

struct Relu {  // keeps y
    template <typename A> static __device__ __forceinline__ A value(A x, A, A) { return x > 0 || x != x ? x : A(0); }
    template <typename A> static __device__ __forceinline__ A gradient(A gy, A y, A, A) { return y != 0 ? gy : A(0); }
};

struct LeakyRelu {  // a: the slope left of 0; keeps y, whose sign is x's, or x where a is negative
    template <typename A> static __device__ __forceinline__ A value(A x, A a, A) { return x > 0 ? x : x * a; }
    template <typename A> static __device__ __forceinline__ A gradient(A gy, A kept, A a, A) {
        return kept > 0 ? gy : gy * a;
    }
};

struct Tanh {  // keeps y
    template <typename A> static __device__ __forceinline__ A value(A x, A, A) { return tanh(x); }
    template <typename A> static __device__ __forceinline__ A gradient(A gy, A y, A, A) { return (1 - y * y) * gy; }
};

struct Sigmoid {  // keeps y
    template <typename A> static __device__ __forceinline__ A value(A x, A, A) { return logistic(x); }
    template <typename A> static __device__ __forceinline__ A gradient(A gy, A y, A, A) { return (1 - y) * y * gy; }
};

struct Silu {  // keeps x
    template <typename A> static __device__ __forceinline__ A value(A x, A, A) { return x * logistic(x); }
    template <typename A> static __device__ __forceinline__ A gradient(A gy, A x, A, A) {
        const A s = logistic(x);
        return gy * ((1 - s) * (x * s) + s);
    }
};

struct Gelu {  // x times the normal distribution's cdf, whose left tail erfc keeps to full precision; keeps x
    template <typename A> static __device__ __forceinline__ A cdf(A x) {
        return A(0.5) * erfc(x * A(-0.70710678118654752440));
    }
    template <typename A> static __device__ __forceinline__ A value(A x, A, A) { return x * cdf(x); }
    template <typename A> static __device__ __forceinline__ A gradient(A gy, A x, A, A) {
        const A density = exp(A(-0.5) * x * x) * A(0.39894228040143267794);
        return gy * (density * x + cdf(x));
    }
};

struct GeluTanh {  // x (1 + tanh(u)) / 2 with u = sqrt(2 / pi) (x + 0.044715 x^3); keeps x
    template <typename A> static __device__ __forceinline__ A held(A x) {  // the tanh is +-1 long before
        return x > 40 ? A(40) : x < -40 ? A(-40) : x;
    }
    template <typename A> static __device__ __forceinline__ A bent(A c) {
        const A rate = A(0.79788456080286535588);
        return tanh((c * c * (rate * A(0.044715)) + rate) * c);
    }
    template <typename A> static __device__ __forceinline__ A value(A x, A, A) {
        return x * ((bent(held(x)) + 1) * A(0.5));
    }
    template <typename A> static __device__ __forceinline__ A gradient(A gy, A x, A, A) {
        const A c = held(x), t = bent(c), rate = A(0.79788456080286535588);
        const A slope = (1 - t * t) * (c * c * (A(1.5) * rate * A(0.044715)) + A(0.5) * rate);
        return gy * (slope * x + (t + 1) * A(0.5));
    }
};

struct Elu {  // a: alpha; keeps y, of which alpha exp(x) is y + alpha, or x where a is negative
    template <typename A> static __device__ __forceinline__ A value(A x, A a, A) { return x > 0 ? x : a * expm1(x); }
    template <typename A> static __device__ __forceinline__ A gradient(A gy, A kept, A a, A) {
        if (kept > 0) return gy;
        return gy * (a >= 0 ? kept + a : a * exp(kept));
    }
};

struct Softplus {  // a: beta, b: the threshold of beta x from which the line is taken; keeps x
    template <typename A> static __device__ __forceinline__ A value(A x, A a, A b) {
        const A s = x * a;
        return s > b ? x : (log1p(exp(s < 0 ? s : -s)) + (s < 0 ? A(0) : s)) / a;
    }
    template <typename A> static __device__ __forceinline__ A gradient(A gy, A x, A a, A b) {
        const A s = x * a;
        return s > b ? gy : gy * logistic(s);
    }
};
