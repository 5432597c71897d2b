// __nv_bfloat16 as cuda_bf16.h names it: the upper half of a float, rounded to nearest, ties to even.
#pragma once
#include "cuda_fp16.h"

struct __nv_bfloat16_raw { unsigned short x; };
struct __nv_bfloat16;
inline float __bfloat162float(__nv_bfloat16 b);
inline __nv_bfloat16 __float2bfloat16_rn(float f);

struct __nv_bfloat16 {
    unsigned short bits;
    __nv_bfloat16() = default;
    __nv_bfloat16(__nv_bfloat16_raw raw) : bits(raw.x) {}
    __nv_bfloat16(float f);
    __nv_bfloat16(double f);
    __nv_bfloat16(int i) : __nv_bfloat16(double(i)) {}
    operator float() const { return __bfloat162float(*this); }
};
typedef __nv_bfloat16 nv_bfloat16;

inline __nv_bfloat16 __ushort_as_bfloat16(unsigned short bits) { return __nv_bfloat16(__nv_bfloat16_raw{bits}); }
inline unsigned short __bfloat16_as_ushort(__nv_bfloat16 b) { return b.bits; }
inline float __bfloat162float(__nv_bfloat16 b) { return gpunn_bits<float>(unsigned(b.bits) << 16); }
inline __nv_bfloat16 __float2bfloat16_rn(float f) {
    unsigned bits = gpunn_bits<unsigned>(f);
    if ((bits & 0x7FFFFFFF) > 0x7F800000) return __ushort_as_bfloat16(0x7FFF);
    return __ushort_as_bfloat16((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
}
inline __nv_bfloat16 __float2bfloat16(float f) { return __float2bfloat16_rn(f); }
inline __nv_bfloat16 __double2bfloat16(double d) { return __float2bfloat16_rn(gpunn_round_to_odd(d)); }
inline __nv_bfloat16::__nv_bfloat16(float f) : bits(__float2bfloat16_rn(f).bits) {}
inline __nv_bfloat16::__nv_bfloat16(double f) : bits(__double2bfloat16(f).bits) {}

GPUNN_SMALL_FLOAT(__nv_bfloat16, __bfloat162float, __float2bfloat16_rn)
#define __halves2__nv_bfloat162 __halves2bfloat162
#define __low2__nv_bfloat16 __low2bfloat16
#define __high2__nv_bfloat16 __high2bfloat16
GPUNN_SMALL_PAIR(__nv_bfloat162, __nv_bfloat16)
typedef __nv_bfloat162 nv_bfloat162;
inline __nv_bfloat162 make_bfloat162(__nv_bfloat16 a, __nv_bfloat16 b) { return __nv_bfloat162(a, b); }
inline __nv_bfloat162 __bfloat162bfloat162(__nv_bfloat16 a) { return __nv_bfloat162(a, a); }
inline __nv_bfloat162 __floats2bfloat162_rn(float a, float b) {
    return __nv_bfloat162(__float2bfloat16_rn(a), __float2bfloat16_rn(b));
}
inline __nv_bfloat162 __float2bfloat162_rn(float a) { return __floats2bfloat162_rn(a, a); }
inline __nv_bfloat162 __float22bfloat162_rn(float2 a) { return __floats2bfloat162_rn(a.x, a.y); }
inline float2 __bfloat1622float2(__nv_bfloat162 a) { return float2(__bfloat162float(a.x), __bfloat162float(a.y)); }
inline float __low2float(__nv_bfloat162 a) { return __bfloat162float(a.x); }
inline float __high2float(__nv_bfloat162 a) { return __bfloat162float(a.y); }
