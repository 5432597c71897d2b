// Mathematics of the device. The C library's functions are declared, not included: <math.h> would double the compile time.
// Fast intrinsics (__expf, __fdividef, ...) are the accurate functions: tolerances must allow for the hardware's anyway.
#pragma once

#define GPUNN_MATH1(name)                 \
    extern "C" double name(double) noexcept(true); \
    extern "C" float name##f(float) noexcept(true); \
    inline float name(float x) { return name##f(x); }
#define GPUNN_MATH2(name)                         \
    extern "C" double name(double, double) noexcept(true); \
    extern "C" float name##f(float, float) noexcept(true); \
    inline float name(float x, float y) { return name##f(x, y); }

GPUNN_MATH1(sqrt) GPUNN_MATH1(cbrt) GPUNN_MATH1(exp) GPUNN_MATH1(exp2) GPUNN_MATH1(expm1) GPUNN_MATH1(log) GPUNN_MATH1(log2)
GPUNN_MATH1(log10) GPUNN_MATH1(log1p) GPUNN_MATH1(sin) GPUNN_MATH1(cos) GPUNN_MATH1(tan) GPUNN_MATH1(tanh) GPUNN_MATH1(sinh)
GPUNN_MATH1(cosh) GPUNN_MATH1(erf) GPUNN_MATH1(erfc) GPUNN_MATH1(floor) GPUNN_MATH1(ceil) GPUNN_MATH1(trunc) GPUNN_MATH1(round)
GPUNN_MATH1(rint) GPUNN_MATH1(fabs)
GPUNN_MATH2(pow) GPUNN_MATH2(fmod) GPUNN_MATH2(fmax) GPUNN_MATH2(fmin) GPUNN_MATH2(atan2) GPUNN_MATH2(copysign) GPUNN_MATH2(hypot)
extern "C" double fma(double, double, double) noexcept(true);
extern "C" float fmaf(float, float, float) noexcept(true);
inline float fma(float x, float y, float z) { return fmaf(x, y, z); }

#undef isnan
#undef isinf
#undef isfinite
inline bool isnan(float x) { return __builtin_isnan(x); }
inline bool isnan(double x) { return __builtin_isnan(x); }
inline bool isinf(float x) { return __builtin_isinf(x); }
inline bool isinf(double x) { return __builtin_isinf(x); }
inline bool isfinite(float x) { return __builtin_isfinite(x); }
inline bool isfinite(double x) { return __builtin_isfinite(x); }
inline bool signbit(float x) { return __builtin_signbit(x); }
inline bool signbit(double x) { return __builtin_signbit(x); }

extern "C" int abs(int) noexcept(true);
inline long long abs(long long x) { return x < 0 ? -x : x; }
inline float abs(float x) { return __builtin_fabsf(x); }
inline double abs(double x) { return __builtin_fabs(x); }

// Integers mix as C++ arithmetic does; floats ignore a NaN beside a number, as fmaxf and fminf do.
#define GPUNN_MINMAX(type)                                       \
    inline type min(type a, type b) { return b < a ? b : a; }    \
    inline type max(type a, type b) { return a < b ? b : a; }
GPUNN_MINMAX(int) GPUNN_MINMAX(unsigned) GPUNN_MINMAX(long) GPUNN_MINMAX(unsigned long) GPUNN_MINMAX(long long)
GPUNN_MINMAX(unsigned long long)
inline unsigned min(int a, unsigned b) { return min(unsigned(a), b); }
inline unsigned min(unsigned a, int b) { return min(a, unsigned(b)); }
inline unsigned max(int a, unsigned b) { return max(unsigned(a), b); }
inline unsigned max(unsigned a, int b) { return max(a, unsigned(b)); }
inline long long min(int a, long long b) { return min((long long)a, b); }
inline long long min(long long a, int b) { return min(a, (long long)b); }
inline long long max(int a, long long b) { return max((long long)a, b); }
inline long long max(long long a, int b) { return max(a, (long long)b); }
inline float min(float a, float b) { return fminf(a, b); }
inline float max(float a, float b) { return fmaxf(a, b); }
inline double min(double a, double b) { return fmin(a, b); }
inline double max(double a, double b) { return fmax(a, b); }
inline double min(float a, double b) { return fmin(double(a), b); }
inline double min(double a, float b) { return fmin(a, double(b)); }
inline double max(float a, double b) { return fmax(double(a), b); }
inline double max(double a, float b) { return fmax(a, double(b)); }

inline float rsqrtf(float x) { return float(1.0 / __builtin_sqrt(double(x))); }
inline double rsqrt(double x) { return 1.0 / __builtin_sqrt(x); }
inline float rsqrt(float x) { return rsqrtf(x); }
inline float rcbrtf(float x) { return float(1.0 / cbrt(double(x))); }
inline float exp10f(float x) { return float(pow(10.0, double(x))); }
inline float normcdff(float x) { return float(0.5 * erfc(-0.70710678118654752440 * double(x))); }
inline void sincosf(float x, float* s, float* c) { *s = sinf(x); *c = cosf(x); }
inline float __saturatef(float x) { return x > 0.0f ? (x < 1.0f ? x : 1.0f) : 0.0f; }

inline float __expf(float x) { return expf(x); }
inline float __exp10f(float x) { return exp10f(x); }
inline float __logf(float x) { return logf(x); }
inline float __log2f(float x) { return log2f(x); }
inline float __log10f(float x) { return log10f(x); }
inline float __powf(float x, float y) { return powf(x, y); }
inline float __sinf(float x) { return sinf(x); }
inline float __cosf(float x) { return cosf(x); }
inline float __tanf(float x) { return tanf(x); }
inline float __fdividef(float x, float y) { return x / y; }
inline float __frcp_rn(float x) { return 1.0f / x; }
inline float __fsqrt_rn(float x) { return __builtin_sqrtf(x); }
inline float __frsqrt_rn(float x) { return rsqrtf(x); }
inline float __fdiv_rn(float x, float y) { return x / y; }
// The _rn forms of CUDA are never contracted into an FMA; the empty asm keeps the compiler from doing so.
template <class T> inline __attribute__((always_inline)) T gpunn_rounded(T x) {
#if defined(__x86_64__)
    asm("" : "+x"(x));
#elif defined(__aarch64__)
    asm("" : "+w"(x));
#endif
    return x;
}
inline float __fadd_rn(float x, float y) { return gpunn_rounded(gpunn_rounded(x) + gpunn_rounded(y)); }
inline float __fsub_rn(float x, float y) { return gpunn_rounded(gpunn_rounded(x) - gpunn_rounded(y)); }
inline float __fmul_rn(float x, float y) { return gpunn_rounded(x * y); }
inline float __fmaf_rn(float x, float y, float z) { return fmaf(x, y, z); }
inline double __dadd_rn(double x, double y) { return gpunn_rounded(gpunn_rounded(x) + gpunn_rounded(y)); }
inline double __dmul_rn(double x, double y) { return gpunn_rounded(x * y); }
inline double __fma_rn(double x, double y, double z) { return fma(x, y, z); }

template <class To, class From> inline To gpunn_bits(From x) { return __builtin_bit_cast(To, x); }
inline int __float_as_int(float x) { return gpunn_bits<int>(x); }
inline unsigned __float_as_uint(float x) { return gpunn_bits<unsigned>(x); }
inline float __int_as_float(int x) { return gpunn_bits<float>(x); }
inline float __uint_as_float(unsigned x) { return gpunn_bits<float>(x); }
inline long long __double_as_longlong(double x) { return gpunn_bits<long long>(x); }
inline double __longlong_as_double(long long x) { return gpunn_bits<double>(x); }
inline int __float2int_rn(float x) { return int(__builtin_rintf(x)); }
inline int __float2int_rz(float x) { return int(x); }
inline int __float2int_rd(float x) { return int(__builtin_floorf(x)); }
inline int __float2int_ru(float x) { return int(__builtin_ceilf(x)); }
inline float __int2float_rn(int x) { return float(x); }
inline float __uint2float_rn(unsigned x) { return float(x); }
inline float __double2float_rn(double x) { return float(x); }

inline unsigned __umulhi(unsigned x, unsigned y) { return unsigned((unsigned long long)(x) * y >> 32); }
inline int __mulhi(int x, int y) { return int((long long)(x) * y >> 32); }
inline unsigned long long __umul64hi(unsigned long long x, unsigned long long y) {
    return (unsigned long long)((unsigned __int128)(x) * y >> 64);
}
inline int __mul24(int x, int y) { return x * y; }
inline int __clz(int x) { return x ? __builtin_clz(unsigned(x)) : 32; }
inline int __clzll(long long x) { return x ? __builtin_clzll((unsigned long long)x) : 64; }
inline int __ffs(int x) { return __builtin_ffs(x); }
inline int __ffsll(long long x) { return __builtin_ffsll(x); }
inline int __popc(unsigned x) { return __builtin_popcount(x); }
inline int __popcll(unsigned long long x) { return __builtin_popcountll(x); }
inline unsigned __brev(unsigned x) {
    unsigned y = 0;
    for (int bit = 0; bit < 32; bit++) y |= (x >> bit & 1) << (31 - bit);
    return y;
}
inline unsigned __byte_perm(unsigned x, unsigned y, unsigned selector) {
    unsigned long long both = (unsigned long long)(y) << 32 | x;
    unsigned result = 0;
    for (int i = 0; i < 4; i++) result |= unsigned(both >> (selector >> 4 * i & 7) * 8 & 0xFF) << 8 * i;
    return result;
}
inline unsigned __funnelshift_l(unsigned low, unsigned high, unsigned n) {
    return unsigned(((unsigned long long)(high) << 32 | low) << (n & 31) >> 32);
}
inline unsigned __funnelshift_r(unsigned low, unsigned high, unsigned n) {
    return unsigned(((unsigned long long)(high) << 32 | low) >> (n & 31));
}

template <class T> inline __attribute__((always_inline)) T __ldg(const T* p) { return *p; }
template <class T> inline __attribute__((always_inline)) T __ldcs(const T* p) { return *p; }
template <class T> inline __attribute__((always_inline)) T __ldcg(const T* p) { return *p; }
template <class T> inline __attribute__((always_inline)) T __ldca(const T* p) { return *p; }
template <class T> inline __attribute__((always_inline)) void __stcs(T* p, T value) { *p = value; }
template <class T> inline __attribute__((always_inline)) void __stcg(T* p, T value) { *p = value; }
#if defined(__x86_64__)
inline long long clock64() { return (long long)__builtin_ia32_rdtsc(); }
#else
inline long long clock64() { return 0; }
#endif
