// __half as cuda_fp16.h names it: 16 bits of storage, arithmetic in float rounded once (exact for + - * /: float holds
// twice the digits and two more). Conversions round to nearest, ties to even.
#pragma once

struct __half_raw { unsigned short x; };
struct __half;
inline float __half2float(__half h);
inline __half __float2half_rn(float f);

struct __half {
    unsigned short bits;
    __half() = default;
    __half(__half_raw raw) : bits(raw.x) {}
    __half(float f);
    __half(double f);
    __half(int i) : __half(float(i)) {}
    operator float() const { return __half2float(*this); }
};
typedef __half half;

inline __half __ushort_as_half(unsigned short bits) { return __half(__half_raw{bits}); }
inline unsigned short __half_as_ushort(__half h) { return h.bits; }

inline float __half2float(__half h) {
    unsigned sign = unsigned(h.bits & 0x8000) << 16, exponent = h.bits >> 10 & 31, mantissa = h.bits & 0x3FF;
    if (exponent == 31) return gpunn_bits<float>(sign | 0x7F800000 | mantissa << 13);
    if (exponent == 0) return gpunn_bits<float>(sign | gpunn_bits<unsigned>(float(mantissa) * 0x1p-24f));
    return gpunn_bits<float>(sign | (exponent + 112) << 23 | mantissa << 13);
}

// Adding 2^13 * ulp(half) makes the float adder round at the half's last bit, also among subnormals.
inline __half __float2half_rn(float f) {
    unsigned all = gpunn_bits<unsigned>(f), sign = all >> 16 & 0x8000, magnitude = all & 0x7FFFFFFF;
    if (magnitude > 0x7F800000) return __ushort_as_half(0x7FFF);
    if (magnitude >= 0x477FF000) return __ushort_as_half(sign | 0x7C00);   // 65520 and up round to infinity
    if (magnitude < 0x38800000) {                                          // below 2^-14: units of 2^-24
        float shifted = gpunn_rounded(gpunn_bits<float>(magnitude) + 0.5f);
        return __ushort_as_half(sign | (gpunn_bits<unsigned>(shifted) - 0x3F000000));
    }
    unsigned odd = magnitude >> 13 & 1;
    return __ushort_as_half(sign | ((magnitude - 0x38000000 + 0xFFF + odd) >> 13));
}
inline __half __float2half(float f) { return __float2half_rn(f); }
// Through float a double would round twice; rounding to odd first keeps the second rounding right.
inline float gpunn_round_to_odd(double d) {
    float f = float(d);
    unsigned bits = gpunn_bits<unsigned>(f);
    if (__builtin_isnan(d) || double(f) == d) return f;
    if (__builtin_isinf(f)) return f;
    bool away = __builtin_fabs(double(f)) > __builtin_fabs(d);
    if (away) bits--;                          // now truncated towards zero
    return gpunn_bits<float>(bits | 1);
}
inline __half __double2half(double d) { return __float2half_rn(gpunn_round_to_odd(d)); }
inline __half::__half(float f) : bits(__float2half_rn(f).bits) {}
inline __half::__half(double f) : bits(__double2half(f).bits) {}
inline __half __int2half_rn(int i) { return __double2half(double(i)); }
inline int __half2int_rn(__half h) { return int(__builtin_rintf(__half2float(h))); }
inline int __half2int_rz(__half h) { return int(__half2float(h)); }

#define GPUNN_SMALL_FLOAT(type, to_float, from_float)                                                         \
    inline type operator+(type a, type b) { return from_float(to_float(a) + to_float(b)); }                   \
    inline type operator-(type a, type b) { return from_float(to_float(a) - to_float(b)); }                   \
    inline type operator*(type a, type b) { return from_float(to_float(a) * to_float(b)); }                   \
    inline type operator/(type a, type b) { return from_float(to_float(a) / to_float(b)); }                   \
    inline type operator-(type a) { return from_float(-to_float(a)); }                                        \
    inline type& operator+=(type& a, type b) { return a = a + b; }                                            \
    inline type& operator-=(type& a, type b) { return a = a - b; }                                            \
    inline type& operator*=(type& a, type b) { return a = a * b; }                                            \
    inline type& operator/=(type& a, type b) { return a = a / b; }                                            \
    inline bool operator==(type a, type b) { return to_float(a) == to_float(b); }                             \
    inline bool operator!=(type a, type b) { return to_float(a) != to_float(b); }                             \
    inline bool operator<(type a, type b) { return to_float(a) < to_float(b); }                               \
    inline bool operator>(type a, type b) { return to_float(a) > to_float(b); }                               \
    inline bool operator<=(type a, type b) { return to_float(a) <= to_float(b); }                             \
    inline bool operator>=(type a, type b) { return to_float(a) >= to_float(b); }                             \
    inline type __hadd(type a, type b) { return a + b; }                                                      \
    inline type __hsub(type a, type b) { return a - b; }                                                      \
    inline type __hmul(type a, type b) { return a * b; }                                                      \
    inline type __hdiv(type a, type b) { return a / b; }                                                      \
    inline type __hneg(type a) { return -a; }                                                                 \
    inline type __habs(type a) { return from_float(__builtin_fabsf(to_float(a))); }                           \
    inline type __hmax(type a, type b) { return from_float(fmaxf(to_float(a), to_float(b))); }                \
    inline type __hmin(type a, type b) { return from_float(fminf(to_float(a), to_float(b))); }                \
    inline type __hfma(type a, type b, type c) {                                                              \
        return type(__builtin_fma(double(to_float(a)), double(to_float(b)), double(to_float(c))));            \
    }                                                                                                         \
    inline bool __heq(type a, type b) { return a == b; }                                                      \
    inline bool __hne(type a, type b) { return a != b; }                                                      \
    inline bool __hlt(type a, type b) { return a < b; }                                                       \
    inline bool __hle(type a, type b) { return a <= b; }                                                      \
    inline bool __hgt(type a, type b) { return a > b; }                                                       \
    inline bool __hge(type a, type b) { return a >= b; }                                                      \
    inline bool __hisnan(type a) { return __builtin_isnan(to_float(a)); }                                     \
    inline type hsqrt(type a) { return from_float(__builtin_sqrtf(to_float(a))); }                            \
    inline type hexp(type a) { return from_float(expf(to_float(a))); }                                        \
    inline type hlog(type a) { return from_float(logf(to_float(a))); }                                        \
    inline type htanh(type a) { return from_float(tanhf(to_float(a))); }                                      \
    inline type hrcp(type a) { return from_float(1.0f / to_float(a)); }
GPUNN_SMALL_FLOAT(__half, __half2float, __float2half_rn)

#define GPUNN_SMALL_PAIR(pair, type)                                                                  \
    struct alignas(4) pair {                                                                          \
        type x, y;                                                                                    \
        GPUNN_COPIED_WHOLE(pair, 4)                                                                   \
        pair(type x, type y) : x(x), y(y) {}                                                          \
    };                                                                                                \
    inline pair operator+(pair a, pair b) { return pair(a.x + b.x, a.y + b.y); }                      \
    inline pair operator-(pair a, pair b) { return pair(a.x - b.x, a.y - b.y); }                      \
    inline pair operator*(pair a, pair b) { return pair(a.x * b.x, a.y * b.y); }                      \
    inline pair __hadd2(pair a, pair b) { return a + b; }                                             \
    inline pair __hsub2(pair a, pair b) { return a - b; }                                             \
    inline pair __hmul2(pair a, pair b) { return a * b; }                                             \
    inline pair __hfma2(pair a, pair b, pair c) { return pair(__hfma(a.x, b.x, c.x), __hfma(a.y, b.y, c.y)); } \
    inline pair __hmax2(pair a, pair b) { return pair(__hmax(a.x, b.x), __hmax(a.y, b.y)); }          \
    inline pair __hmin2(pair a, pair b) { return pair(__hmin(a.x, b.x), __hmin(a.y, b.y)); }          \
    inline pair __halves2##pair(type a, type b) { return pair(a, b); }                                \
    inline type __low2##type(pair a) { return a.x; }                                                  \
    inline type __high2##type(pair a) { return a.y; }
#define __halves2__half2 __halves2half2
#define __low2__half __low2half
#define __high2__half __high2half
GPUNN_SMALL_PAIR(__half2, __half)
typedef __half2 half2;
inline __half2 make_half2(__half a, __half b) { return __half2(a, b); }
inline __half2 __half2half2(__half a) { return __half2(a, a); }
inline __half2 __floats2half2_rn(float a, float b) { return __half2(__float2half_rn(a), __float2half_rn(b)); }
inline __half2 __float2half2_rn(float a) { return __floats2half2_rn(a, a); }
inline __half2 __float22half2_rn(float2 a) { return __floats2half2_rn(a.x, a.y); }
inline float2 __half22float2(__half2 a) { return float2(__half2float(a.x), __half2float(a.y)); }
inline float __low2float(__half2 a) { return __half2float(a.x); }
inline float __high2float(__half2 a) { return __half2float(a.y); }
