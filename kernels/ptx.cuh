// Inline PTX that every kernel may want; ptx/ has what tensor cores do. Each instruction stands beside a host version
// that is its specification: the emulator compiles the host versions (GPUNN_HOST), NVRTC the others.
#pragma once

// float16 bits -> float; exact.
__device__ __forceinline__ float half_bits_to_float(unsigned short h) {
#ifdef GPUNN_HOST
    const unsigned sign = (h & 0x8000u) << 16, magnitude = h & 0x7fffu;
    if (magnitude >= 0x7c00u) return __uint_as_float(sign | 0x7f800000u | (magnitude & 0x3ffu) << 13);  // inf, NaN
    // Shifted into float's fields the exponent is 112 too small; a product repairs that, for subnormals as well.
    const float f = __uint_as_float(magnitude << 13) * __uint_as_float((127u + 112u) << 23);
    return __uint_as_float(__float_as_uint(f) | sign);
#else
    float f;
    asm("cvt.f32.f16 %0, %1;" : "=f"(f) : "h"(h));
    return f;
#endif
}

// float -> float16 bits, to nearest, ties to even; beyond 65519 it is infinity.
__device__ __forceinline__ unsigned short float_to_half_bits(float f) {
#ifdef GPUNN_HOST
    const unsigned bits = __float_as_uint(f), sign = bits >> 16 & 0x8000u, a = bits & 0x7fffffffu;
    if (a > 0x7f800000u) return sign | 0x7fffu;
    if (a >= 0x477ff000u) return sign | 0x7c00u;
    if (a < 0x38800000u) {  // subnormal in float16: adding 0.5 leaves exactly the bits wanted, rounded
        return sign | (__float_as_uint(__uint_as_float(a) + 0.5f) - 0x3f000000u);
    }
    return sign | ((a + 0xfffu + (a >> 13 & 1u)) - 0x38000000u) >> 13;
#else
    unsigned short h;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(h) : "f"(f));
    return h;
#endif
}
