// Functions of up to three numbers u, v, w and two options a and b; ARITY says how many are read.
// Gradients have gy first; like NumPy's products they keep NaN and infinities of gy also where the slope is 0.
#pragma once
#include "activation.cuh"

#define NUMBERS template <typename A> static __device__ __forceinline__ A value(A u, A v, A w, A a, A b)

struct Copy { enum { ARITY = 1 }; NUMBERS { return u; } };
struct Add { enum { ARITY = 2 }; NUMBERS { return u + v; } };
struct Subtract { enum { ARITY = 2 }; NUMBERS { return u - v; } };
struct Multiply { enum { ARITY = 2 }; NUMBERS { return times(u, v); } };
struct Divide { enum { ARITY = 2 }; NUMBERS { return u / v; } };
struct Maximum { enum { ARITY = 2 }; NUMBERS { return u > v || u != u ? u : v; } };  // NaN wins
struct Minimum { enum { ARITY = 2 }; NUMBERS { return u < v || u != u ? u : v; } };
struct Power { enum { ARITY = 2 }; NUMBERS { return v == 2 ? times(u, u) : pow(u, v); } };
struct Exp { enum { ARITY = 1 }; NUMBERS { return exp(u); } };
struct Log { enum { ARITY = 1 }; NUMBERS { return log(u); } };
struct Sqrt { enum { ARITY = 1 }; NUMBERS { return sqrt(u); } };
struct Absolute { enum { ARITY = 1 }; NUMBERS { return fabs(u); } };
struct Negative { enum { ARITY = 1 }; NUMBERS { return -u; } };
struct Log1p { enum { ARITY = 1 }; NUMBERS { return log1p(u); } };
struct Expm1 { enum { ARITY = 1 }; NUMBERS { return expm1(u); } };
struct Rsqrt { enum { ARITY = 1 }; NUMBERS { return 1 / sqrt(u); } };
struct Erf { enum { ARITY = 1 }; NUMBERS { return erf(u); } };
struct Erfc { enum { ARITY = 1 }; NUMBERS { return erfc(u); } };
struct Rint { enum { ARITY = 1 }; NUMBERS { return rint(u); } };  // of two the even one
struct Floor { enum { ARITY = 1 }; NUMBERS { return floor(u); } };
struct Sign { enum { ARITY = 1 }; NUMBERS { return A((u > 0) - (u < 0)); } };  // 0 of NaN
struct Remainder { enum { ARITY = 2 }; NUMBERS {  // of v's sign
    const A left = fmod(u, v);
    return left != 0 && (left < 0) != (v < 0) ? left + v : left;
} };
struct Clip { enum { ARITY = 1 }; NUMBERS {  // a <= y <= b; NaN wins
    const A raised = Maximum::value(u, a, w, a, b);
    return Minimum::value(raised, b, w, a, b);
} };

struct Glu { enum { ARITY = 2 }; NUMBERS { return times(u, logistic(v)); } };

// Of y = u / v by v: v and y follow gy. Of sqrt: y.
struct DivideSlope { enum { ARITY = 3 }; NUMBERS { return times(-(u / v), w); } };
struct SqrtSlope { enum { ARITY = 2 }; NUMBERS { return u / (v + v); } };
struct AbsoluteSlope { enum { ARITY = 2 }; NUMBERS { return times(u, A((v > 0) - (v < 0))); } };
struct ClipSlope { enum { ARITY = 2 }; NUMBERS { return times(u, A(v >= a && v <= b)); } };
// Of the larger and smaller of v and w by v: all of gy where it was chosen or the other is NaN, half of equal ones'.
struct MaximumSlope { enum { ARITY = 3 }; NUMBERS { return times(u, v < w ? A(0) : v == w ? A(0.5) : A(1)); } };
struct MinimumSlope { enum { ARITY = 3 }; NUMBERS { return times(u, v > w ? A(0) : v == w ? A(0.5) : A(1)); } };
// Of pow(v, w) by v and by w.
struct PowerSlope { enum { ARITY = 3 }; NUMBERS {
    return times(u, w == 0 ? A(0) : w == 2 ? v + v : times(w, pow(v, w - 1)));
} };
struct PowerLog { enum { ARITY = 3 }; NUMBERS {
    return times(u, v == 0 && w >= 0 ? A(0) : times(pow(v, w), log(v)));
} };
// Of v logistic(w) by w; by v it is Glu of gy and w.
struct GluSlope { enum { ARITY = 3 }; NUMBERS { return times(u, times(v, logistic(w) * logistic(-w))); } };

// A product in which 0 times infinity is 0: what has no weight does not count, whatever it is.
template <typename A> __device__ __forceinline__ A weighed(A weight, A x) {
    return weight == 0 || x == 0 ? A(0) : times(weight, x);
}

// Losses of u beside a target v, and their slopes by v beside w. Huber's: the square ends at a, all times b.
struct SquaredError { enum { ARITY = 2 }; NUMBERS { return times(u - v, u - v); } };
struct SquaredErrorSlope { enum { ARITY = 3 }; NUMBERS { return times(u, 2 * (v - w)); } };
struct AbsoluteError { enum { ARITY = 2 }; NUMBERS { return fabs(u - v); } };
struct AbsoluteErrorSlope { enum { ARITY = 3 }; NUMBERS { return times(u, A((v > w) - (v < w))); } };
struct Huber { enum { ARITY = 2 }; NUMBERS {
    const A near = Clip::value(u - v, v, w, -a, a);
    return times(times(u - v - times(near, A(0.5)), near), b);
} };
struct HuberSlope { enum { ARITY = 3 }; NUMBERS { return times(u, times(Clip::value(v - w, v, w, -a, a), b)); } };
// -log of the probability that a logit u gives what is v times 1 and 1 - v times 0: no infinities cancel.
struct LogisticError { enum { ARITY = 2 }; NUMBERS {
    const A far = weighed(1 - v, u > 0 ? u : A(0)) + weighed(v, u < 0 ? -u : A(0));
    return far + times((1 - v) + v, log1p(exp(-fabs(u))));
} };
struct LogisticErrorSlope { enum { ARITY = 3 }; NUMBERS { return times(u, (1 - w) - logistic(-v)); } };
