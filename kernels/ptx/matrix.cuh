// Matrix products of a warp: ldmatrix, mma.sync (sm_80 and later), and the numbers that they take.
//
// Fragments (PTX ISA, "Matrix Fragments for mma.m16n8k16" and "mma.m16n8k8"), of lane = 4 * g + t:
//   A, 16 rows: registers 0 and 2 hold row g, 1 and 3 row g + 8; 0 and 1 the first half of the depth, 2 and 3 the second.
//   B, 8 columns: both registers hold column g, of the first and the second half of the depth.
//   C and D: 0 and 1 hold row g, columns 2t and 2t + 1; 2 and 3 row g + 8.
// In half a depth lane t holds items 2t and 2t + 1 of 16 bits, low one first, or item t of TF32's 32.
#pragma once
#include "shared.cuh"

#ifdef GPUNN_HOST
// What follows a read by each lane of its row; pick(rows, g, t) is what a lane gets of a matrix. Out of line, as below.
template <typename Pick> GPUNN_UNCHECKED __noinline__ void hand_out(unsigned (&v)[4], const uint4& mine, Pick pick) {
    struct Row { unsigned short item[8]; } all[32];
    gpunn_host::warp_gather(reinterpret_cast<const Row&>(mine), all);
    const int g = gpunn_host::lane() / 4, t = gpunn_host::lane() % 4;
    for (int i = 0; i < 4; ++i) v[i] = pick(all + 8 * i, g, t);
}
#endif

// Four 8x8 matrices of 16-bit items: lane 8i + r gives the address of row r of matrix i (16 bytes); of matrix i a lane gets
// row g, items 2t and 2t + 1. Read as 32-bit items: rows of four, of which a lane gets item t.
__device__ __forceinline__ void load_matrices(unsigned (&v)[4], Shared row) {
#ifdef GPUNN_HOST
    const uint4 mine = *reinterpret_cast<const uint4*>(row);
    hand_out(v, mine, [](const auto* rows, int g, int t) { return rows[g].item[2 * t] | (unsigned)rows[g].item[2 * t + 1] << 16; });
#else
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(v[0]), "=r"(v[1]), "=r"(v[2]), "=r"(v[3]) : "r"(row) : "memory");
#endif
}

// The same matrices transposed: a lane gets column g, of rows 2t and 2t + 1.
__device__ __forceinline__ void load_matrices_transposed(unsigned (&v)[4], Shared row) {
#ifdef GPUNN_HOST
    const uint4 mine = *reinterpret_cast<const uint4*>(row);
    hand_out(v, mine, [](const auto* rows, int g, int t) { return rows[2 * t].item[g] | (unsigned)rows[2 * t + 1].item[g] << 16; });
#else
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(v[0]), "=r"(v[1]), "=r"(v[2]), "=r"(v[3]) : "r"(row) : "memory");
#endif
}

#ifdef GPUNN_HOST
// How tensor cores add (Fasi, Higham, Mikaitis, Pranesh, "Numerical behavior of NVIDIA tensor cores", 2021; Ampere's, those
// after it keep a bit more or add more at once): BLOCK exact products and the sum so far are lined up by the largest of
// them, cut off one bit behind a float's last, added exactly, and the sum is cut off to a float. So one that goes through
// n of them drifts to 0 by n / 2 last places.
template <int BLOCK> GPUNN_UNCHECKED inline float add_lined_up(float sum, const double (&products)[BLOCK]) {
    double largest = sum < 0 ? -(double)sum : (double)sum, whole = sum;
    for (int k = 0; k < BLOCK; ++k) {
        const double found = products[k] < 0 ? -products[k] : products[k];
        largest = found > largest ? found : largest;
        whole += products[k];
    }
    if (!(largest > 0) || whole - whole != 0) return (float)whole;  // nothing to line up: zeros; NaN or infinity
    long long bits;
    double scale;  // 2^(24 - e), e the exponent of the largest
    __builtin_memcpy(&bits, &largest, 8);
    bits = (2 * 1023 + 24 - (bits >> 52)) << 52;
    __builtin_memcpy(&scale, &bits, 8);
    long long total = (long long)(sum * scale);
    for (int k = 0; k < BLOCK; ++k) total += (long long)(products[k] * scale);
    const double exact = (double)total / scale;
    const float nearest = (float)exact;
    const double magnitude = exact < 0 ? -exact : exact, got = nearest < 0 ? -nearest : nearest;
    return got > magnitude && got <= 3.4028235e38 ? __uint_as_float(__float_as_uint(nearest) - 1) : nearest;
}

// d += A B for a whole warp; value(bits, i) is the i-th number of a register, of which there are PER. Out of line: a kernel
// has a hundred of them, and registers are no memory to be checked.
template <int PER, typename Value>
GPUNN_UNCHECKED __noinline__ void mma_on_host(float (&d)[4], const unsigned (&a)[4], unsigned b0, unsigned b1, Value value) {
    struct Registers { unsigned a[4], b[2]; } mine = {{a[0], a[1], a[2], a[3]}, {b0, b1}}, all[32];
    gpunn_host::warp_gather(mine, all);
    const int g = gpunn_host::lane() / 4, t = gpunn_host::lane() % 4, half = 4 * PER;
    for (int i = 0; i < 4; ++i) {
        const int row = g + i / 2 * 8, column = 2 * t + i % 2;
        for (int block = 0; block < 2; ++block) {
            double products[4 * PER];
            for (int k = 0; k < half; ++k) {
                const unsigned left = all[row % 8 * 4 + k / PER].a[row / 8 + block * 2];
                const unsigned right = all[column * 4 + k / PER].b[block];
                products[k] = (double)value(left, k % PER) * value(right, k % PER);
            }
            d[i] = add_lined_up(d[i], products);
        }
    }
}
#endif

// d (16, 8) += A (16, 16) B (16, 8) of bfloat16.
__device__ __forceinline__ void mma_bf16(float (&d)[4], const unsigned (&a)[4], unsigned b0, unsigned b1) {
#ifdef GPUNN_HOST
    mma_on_host<2>(d, a, b0, b1, [](unsigned u, int i) { return __uint_as_float(i ? u & 0xffff0000u : u << 16); });
#else
    asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]) : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
#endif
}

// The same of float16.
__device__ __forceinline__ void mma_fp16(float (&d)[4], const unsigned (&a)[4], unsigned b0, unsigned b1) {
#ifdef GPUNN_HOST
    mma_on_host<2>(d, a, b0, b1, [](unsigned u, int i) { return half_bits_to_float((unsigned short)(i ? u >> 16 : u)); });
#else
    asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]) : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
#endif
}

// d (16, 8) += A (16, 8) B (8, 8) of TF32: floats of which the unit reads all but the last 13 bits.
__device__ __forceinline__ void mma_tf32(float (&d)[4], const unsigned (&a)[4], unsigned b0, unsigned b1) {
#ifdef GPUNN_HOST
    mma_on_host<1>(d, a, b0, b1, [](unsigned u, int) { return __uint_as_float(u & 0xffffe000u); });
#else
    asm("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]) : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
#endif
}

// A float's bits to the nearest TF32, ties away from 0; beyond 3.4028e38 it is infinity, NaN stays NaN.
__device__ __forceinline__ unsigned to_tf32(unsigned u) {
#ifdef GPUNN_HOST
    return (u & 0x7fffffffu) > 0x7f800000u ? 0x7fffffffu : (u + 0x1000u) & 0xffffe000u;
#else
    unsigned v;
    asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(v) : "f"(__uint_as_float(u)));
    return v;
#endif
}

// Two floats as bfloat16, the first in the low half, to nearest, ties to even.
__device__ __forceinline__ unsigned pack_bf16(float low, float high) {
#ifdef GPUNN_HOST
    auto bits = [](float f) {
        const unsigned u = __float_as_uint(f);
        return f != f ? 0x7fffu : (u + 0x7fffu + (u >> 16 & 1u)) >> 16;
    };
    return bits(low) | bits(high) << 16;
#else
    unsigned v;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(v) : "f"(high), "f"(low));
    return v;
#endif
}

// Two floats as float16, the same way.
__device__ __forceinline__ unsigned pack_fp16(float low, float high) {
#ifdef GPUNN_HOST
    return float_to_half_bits(low) | (unsigned)float_to_half_bits(high) << 16;
#else
    unsigned v;
    asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(v) : "f"(high), "f"(low));
    return v;
#endif
}
