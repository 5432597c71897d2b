// float4 and its kin. A copy is one access of the full width, kept whole by an empty asm statement: the optimiser would
// otherwise split it into fields, and the counts of sectors and bank conflicts would be those of another kernel.
#pragma once

namespace gpunn_host {
template <int bytes> struct Bits;
template <> struct Bits<2> { typedef unsigned short __attribute__((may_alias)) type; };
template <> struct Bits<4> { typedef unsigned __attribute__((may_alias)) type; };
template <> struct Bits<8> { typedef unsigned long long __attribute__((may_alias)) type; };
template <> struct Bits<16> { typedef unsigned long long __attribute__((vector_size(16), may_alias)) type; };

template <int bytes> inline __attribute__((always_inline)) void copy_whole(void* to, const void* from) {
    typedef typename Bits<bytes>::type Word;
    Word word = *static_cast<const Word*>(from);
#if defined(__x86_64__)
    if constexpr (bytes == 16) asm("" : "+x"(word)); else asm("" : "+r"(word));
#elif defined(__aarch64__)
    if constexpr (bytes == 16) asm("" : "+w"(word)); else asm("" : "+r"(word));
#endif
    *static_cast<Word*>(to) = word;
}
}  // namespace gpunn_host

#define GPUNN_COPIED_WHOLE(name, bytes)                                                        \
    name() = default;                                                                          \
    name(const name& other) { gpunn_host::copy_whole<bytes>(this, &other); }                   \
    name& operator=(const name& other) {                                                       \
        gpunn_host::copy_whole<bytes>(this, &other);                                           \
        return *this;                                                                          \
    }
#define GPUNN_VECTOR1(scalar, name) \
    struct name##1 { scalar x; };   \
    inline name##1 make_##name##1(scalar x) { return {x}; }
#define GPUNN_VECTOR2(scalar, name)                                        \
    struct alignas(2 * sizeof(scalar)) name##2 {                           \
        scalar x, y;                                                       \
        GPUNN_COPIED_WHOLE(name##2, 2 * sizeof(scalar))                    \
        constexpr name##2(scalar x, scalar y) : x(x), y(y) {}              \
    };                                                                     \
    inline name##2 make_##name##2(scalar x, scalar y) { return {x, y}; }
#define GPUNN_VECTOR3(scalar, name) \
    struct name##3 { scalar x, y, z; }; \
    inline name##3 make_##name##3(scalar x, scalar y, scalar z) { return {x, y, z}; }
#define GPUNN_VECTOR4(scalar, name)                                                                \
    struct alignas(4 * sizeof(scalar)) name##4 {                                                   \
        scalar x, y, z, w;                                                                         \
        GPUNN_COPIED_WHOLE(name##4, 4 * sizeof(scalar))                                            \
        constexpr name##4(scalar x, scalar y, scalar z, scalar w) : x(x), y(y), z(z), w(w) {}      \
    };                                                                                             \
    inline name##4 make_##name##4(scalar x, scalar y, scalar z, scalar w) { return {x, y, z, w}; }

GPUNN_VECTOR2(signed char, char) GPUNN_VECTOR4(signed char, char)
GPUNN_VECTOR2(unsigned char, uchar) GPUNN_VECTOR4(unsigned char, uchar)
GPUNN_VECTOR2(short, short) GPUNN_VECTOR4(short, short)
GPUNN_VECTOR2(unsigned short, ushort) GPUNN_VECTOR4(unsigned short, ushort)
GPUNN_VECTOR1(int, int) GPUNN_VECTOR2(int, int) GPUNN_VECTOR3(int, int) GPUNN_VECTOR4(int, int)
GPUNN_VECTOR1(unsigned, uint) GPUNN_VECTOR2(unsigned, uint) GPUNN_VECTOR4(unsigned, uint)
GPUNN_VECTOR1(float, float) GPUNN_VECTOR2(float, float) GPUNN_VECTOR3(float, float) GPUNN_VECTOR4(float, float)
GPUNN_VECTOR1(double, double) GPUNN_VECTOR2(double, double) GPUNN_VECTOR3(double, double)
GPUNN_VECTOR2(long long, longlong) GPUNN_VECTOR2(unsigned long long, ulonglong)
inline uint3 make_uint3(unsigned x, unsigned y, unsigned z) { return {x, y, z}; }

struct alignas(16) double4 { double x, y, z, w; };   // hardware reads it as two accesses of 16 bytes
inline double4 make_double4(double x, double y, double z, double w) { return {x, y, z, w}; }

struct dim3 {
    unsigned x, y, z;
    constexpr dim3(unsigned x = 1, unsigned y = 1, unsigned z = 1) : x(x), y(y), z(z) {}
};
