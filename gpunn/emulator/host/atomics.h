// Atomics. One fiber runs at a time and switches only at barriers, so plain reads and writes are atomic.
// Out of line and uninstrumented: the access is reported once, as atomic, for the place that called.
#pragma once

#ifdef GPUNN_CHECKED
#define GPUNN_ATOMIC_ACCESS(address) gpunn_atomic_access(address, sizeof *(address), __builtin_return_address(0))
#else
#define GPUNN_ATOMIC_ACCESS(address) (void)(address)
#endif

#define GPUNN_ATOMIC(name, type, combine)                                                                \
    GPUNN_UNCHECKED __attribute__((noinline)) static type name(type* address, type value) {              \
        GPUNN_ATOMIC_ACCESS(address);                                                                    \
        type old = *address;                                                                             \
        *address = combine;                                                                              \
        return old;                                                                                      \
    }
#define GPUNN_ATOMIC_INTEGER(type)                                                                       \
    GPUNN_ATOMIC(atomicAdd, type, old + value)                                                           \
    GPUNN_ATOMIC(atomicMin, type, value < old ? value : old)                                             \
    GPUNN_ATOMIC(atomicMax, type, old < value ? value : old)                                             \
    GPUNN_ATOMIC(atomicExch, type, value)                                                                \
    GPUNN_ATOMIC(atomicAnd, type, old & value)                                                           \
    GPUNN_ATOMIC(atomicOr, type, old | value)                                                            \
    GPUNN_ATOMIC(atomicXor, type, old ^ value)                                                           \
    GPUNN_UNCHECKED __attribute__((noinline)) static type atomicCAS(type* address, type expected, type value) { \
        GPUNN_ATOMIC_ACCESS(address);                                                                    \
        type old = *address;                                                                             \
        if (old == expected) *address = value;                                                           \
        return old;                                                                                      \
    }
GPUNN_ATOMIC_INTEGER(int)
GPUNN_ATOMIC_INTEGER(unsigned)
GPUNN_ATOMIC_INTEGER(unsigned long long)
GPUNN_ATOMIC(atomicSub, int, old - value)
GPUNN_ATOMIC(atomicSub, unsigned, old - value)
GPUNN_ATOMIC(atomicInc, unsigned, old >= value ? 0 : old + 1)
GPUNN_ATOMIC(atomicDec, unsigned, old == 0 || old > value ? value : old - 1)
GPUNN_ATOMIC(atomicAdd, float, old + value)
GPUNN_ATOMIC(atomicAdd, double, old + value)
GPUNN_ATOMIC(atomicExch, float, value)
