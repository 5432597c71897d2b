// Activations beside those of activation.cuh, whose text products have too: bent lines, and curves of several constants.
// As there: NaN stays NaN unless a comment says otherwise; kept is x or y as the launcher says, a and b are options.
#pragma once
#include "bounded.cuh"

struct HardSwish {  // keeps x
    template <typename A> static __device__ __forceinline__ A value(A x, A a, A b) {
        return x * HardTanh::value(x + 3, A(0), A(6)) / 6;
    }
    template <typename A> static __device__ __forceinline__ A gradient(A gy, A x, A, A) {
        return x <= -3 ? A(0) : x >= 3 ? gy : gy * (x / 3 + A(0.5));
    }
};

struct HardSigmoid {  // keeps x; the slope at NaN is 0
    template <typename A> static __device__ __forceinline__ A value(A x, A, A) {
        return HardTanh::value(x + 3, A(0), A(6)) / 6;
    }
    template <typename A> static __device__ __forceinline__ A gradient(A gy, A x, A, A) {
        return x > -3 && x < 3 ? gy / 6 : A(0);
    }
};

struct HardShrink {  // a: how far from 0 x is made 0; keeps x, and the slope at NaN is 1
    template <typename A> static __device__ __forceinline__ A value(A x, A a, A) { return fabs(x) <= a ? A(0) : x; }
    template <typename A> static __device__ __forceinline__ A gradient(A gy, A x, A a, A) {
        return fabs(x) <= a ? A(0) : gy;
    }
};

struct SoftShrink : HardShrink {  // a: how far x is moved towards 0
    template <typename A> static __device__ __forceinline__ A value(A x, A a, A) {
        return fabs(x) <= a ? A(0) : x > 0 ? x - a : x + a;
    }
};

struct Threshold {  // b where x is a or less; keeps x
    template <typename A> static __device__ __forceinline__ A value(A x, A a, A b) { return x <= a ? b : x; }
    template <typename A> static __device__ __forceinline__ A gradient(A gy, A x, A a, A) {
        return x <= a ? A(0) : gy;
    }
};

struct Selu {  // ELU whose constants keep mean 0 and variance 1; keeps y
    template <typename A> static __device__ __forceinline__ A scale() { return A(1.0507009873554804934); }
    template <typename A> static __device__ __forceinline__ A low() { return A(1.7580993408473768600); }  // scale alpha
    template <typename A> static __device__ __forceinline__ A value(A x, A, A) {
        return x > 0 ? scale<A>() * x : low<A>() * expm1(x);
    }
    template <typename A> static __device__ __forceinline__ A gradient(A gy, A y, A, A) {
        return gy * (y > 0 ? scale<A>() : y + low<A>());
    }
};

struct Celu {  // a: alpha; keeps y, whose sign is x's and of which exp(x / alpha) is y / alpha + 1
    template <typename A> static __device__ __forceinline__ A value(A x, A a, A) { return x > 0 ? x : a * expm1(x / a); }
    template <typename A> static __device__ __forceinline__ A gradient(A gy, A y, A a, A) {
        return y > 0 ? gy : gy * (y / a + 1);
    }
};

struct Mish {  // x tanh(log(1 + q)), q = exp(x): with n = q (q + 2) the tanh is n / (n + 2); keeps x
    template <typename A> static __device__ __forceinline__ A held(A x) { return x > 20 ? A(20) : x; }  // the tanh is 1
    template <typename A> static __device__ __forceinline__ A value(A x, A, A) {
        const A q = exp(held(x)), n = q * (q + 2);
        return x * (n / (n + 2));
    }
    template <typename A> static __device__ __forceinline__ A gradient(A gy, A x, A, A) {
        const A u = held(x), q = exp(u), n = q * (q + 2), part = 1 / (n + 2);
        return gy * (u * (4 * q * (q + 1) * part * part) + n * part);
    }
};

struct TanhShrink {  // keeps x
    template <typename A> static __device__ __forceinline__ A value(A x, A, A) { return x - tanh(x); }
    template <typename A> static __device__ __forceinline__ A gradient(A gy, A x, A, A) {
        const A t = tanh(x);
        return gy * (t * t);
    }
};

struct SoftSign {  // keeps x
    template <typename A> static __device__ __forceinline__ A value(A x, A, A) { return x / (1 + fabs(x)); }
    template <typename A> static __device__ __forceinline__ A gradient(A gy, A x, A, A) {
        const A part = 1 / (1 + fabs(x));
        return gy * part * part;
    }
};
