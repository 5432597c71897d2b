// Matrix products of a warpgroup, four warps: wgmma (sm_90a), which reads its operands from shared memory (TF32's A from
// registers) while the threads go on. A group of products: wgmma_fence, wgmma ..., wgmma_commit; wgmma_wait before its sums, or
// its operands, are touched. It reads through another proxy than threads and copies write by: fence_proxy by whoever wrote, then
// a barrier.
//
// Sums of 64 rows and N columns (PTX ISA, "wgmma.mma_async.m64nNk16"), of warp w and lane = 4 g + t:
// sums[4 j + 2 h + e] is row 16 w + g + 8 h, column 8 j + 2 t + e.
#pragma once
#include "shared.cuh"

// How a matrix lies in shared memory (PTX ISA, "Matrix Descriptor Format"): bits 0-13 its first byte, 16-29 and 32-45 two
// distances, all in units of 16 bytes; 49-51 the base's offset, 0 on multiples of 1024 bytes; 62-63 the swizzle, 1: of 128
// bytes, chunk c of 16 bytes of row r lies at c ^ r % 8.
__device__ __forceinline__ unsigned long long descriptor(
    unsigned address, unsigned leading, unsigned stride, unsigned swizzle = 1, unsigned base = 0)
{
    const unsigned low = (address >> 4 & 0x3fffu) | (leading >> 4 & 0x3fffu) << 16;
    const unsigned high = (stride >> 4 & 0x3fffu) | base << 17 | swizzle << 30;
    return (unsigned long long)high << 32 | low;
}

// A matrix whose depth runs along rows of 128 bytes, eight rows 1024 bytes; 32 bytes of address further is the next depth.
__device__ __forceinline__ unsigned long long deep_rows(unsigned address) { return descriptor(address, 16, 1024); }

// A matrix whose depth runs across rows of 128 bytes, of 64 neighbours each; the next 64 are `apart` bytes away.
__device__ __forceinline__ unsigned long long across_rows(unsigned address, unsigned apart) {
    return descriptor(address, apart, 1024);
}

#ifdef GPUNN_HOST
#define WGMMA_HERE const char *file = __builtin_FILE(), int line = __builtin_LINE()
inline unsigned shared_offset(Shared p) { return (unsigned)(p - gpunn_dynamic_shared); }
inline void fence_proxy() { gpunn_fence_proxy(); }
inline void wgmma_fence() { gpunn_wgmma_fence(); }
inline void wgmma_commit() { gpunn_wgmma_commit(); }
template <int LEFT> inline void wgmma_wait() { gpunn_wgmma_wait(LEFT); }
template <int ACROSS_A, int ACROSS_B, int HALF>
inline void wgmma_bf16(float (&d)[HALF], unsigned long long a, unsigned long long b, WGMMA_HERE) {
    gpunn_wgmma(d, 2 * HALF, a, b, 0, ACROSS_A, ACROSS_B, file, line);
}
template <int ACROSS_A, int ACROSS_B, int HALF>
inline void wgmma_fp16(float (&d)[HALF], unsigned long long a, unsigned long long b, WGMMA_HERE) {
    gpunn_wgmma(d, 2 * HALF, a, b, 1, ACROSS_A, ACROSS_B, file, line);
}
template <bool ADD, int HALF>
GPUNN_UNCHECKED __noinline__ void wgmma_tf32(float (&d)[HALF], const unsigned (&a)[4], unsigned long long b, WGMMA_HERE) {
    struct Registers { unsigned a[4]; } mine = {{a[0], a[1], a[2], a[3]}}, all[32];
    gpunn_host::warp_gather(mine, all, ~0u, file, line);
    unsigned rows[2][8];
    for (int i = 0; i < 16; ++i) rows[i / 8][i % 8] = all[gpunn_host::lane() / 4 * 4 + i % 4].a[i / 8 + i % 8 / 4 * 2];
    gpunn_wgmma_registers(d, 2 * HALF, a, rows, b, ADD, __builtin_return_address(0), file, line);
}
#else
__device__ __forceinline__ unsigned shared_offset(Shared p) { return p; }
__device__ __forceinline__ void fence_proxy() { asm volatile("fence.proxy.async.shared::cta;" ::: "memory"); }
__device__ __forceinline__ void wgmma_fence() { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }
__device__ __forceinline__ void wgmma_commit() { asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory"); }
template <int LEFT> __device__ __forceinline__ void wgmma_wait() {
    asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(LEFT) : "memory");
}

// The operands of N / 2 sums, as asm's text and as its constraints.
#define WGMMA_LIST_32  \
    "%0,%1,%2,%3,%4,%5,%6,%7,%8,%9,%10,%11,%12,%13,%14,%15,%16,%17,%18,%19,%20,%21,%22,%23,%24,%25,%26," \
    "%27,%28,%29,%30,%31"
#define WGMMA_LIST_64 WGMMA_LIST_32 ","  \
    "%32,%33,%34,%35,%36,%37,%38,%39,%40,%41,%42,%43,%44,%45,%46,%47,%48,%49,%50,%51,%52,%53,%54,%55,%56," \
    "%57,%58,%59,%60,%61,%62,%63"
#define WGMMA_LIST_128 WGMMA_LIST_64 ","  \
    "%64,%65,%66,%67,%68,%69,%70,%71,%72,%73,%74,%75,%76,%77,%78,%79,%80,%81,%82,%83,%84,%85,%86,%87,%88," \
    "%89,%90,%91,%92,%93,%94,%95,%96,%97,%98,%99,%100,%101,%102,%103,%104,%105,%106,%107,%108,%109,%110," \
    "%111,%112,%113,%114,%115,%116,%117,%118,%119,%120,%121,%122,%123,%124,%125,%126,%127"
#define WGMMA_SUMS_8(i) \
    "+f"(d[i]), "+f"(d[i + 1]), "+f"(d[i + 2]), "+f"(d[i + 3]), "+f"(d[i + 4]), "+f"(d[i + 5]), "+f"(d[i + 6]), "+f"(d[i + 7])
#define WGMMA_SUMS_32(i) WGMMA_SUMS_8(i), WGMMA_SUMS_8(i + 8), WGMMA_SUMS_8(i + 16), WGMMA_SUMS_8(i + 24)
#define WGMMA_SUMS_64(i) WGMMA_SUMS_32(i), WGMMA_SUMS_32(i + 32)
#define WGMMA_SUMS_128(i) WGMMA_SUMS_64(i), WGMMA_SUMS_64(i + 64)

// d (64, N) += A B. SHAPE "64k16.f32.bf16.bf16": the columns and what follows; A, B the numbers of asm's operands; MAJOR what
// says that a depth runs across.
#define WGMMA_ASM(SHAPE, HALF, A, B, MAJOR) \
    asm volatile("{ .reg .pred p; setp.ne.b32 p, 1, 0; wgmma.mma_async.sync.aligned.m64n" SHAPE \
                 " {" WGMMA_LIST_##HALF "}, " A ", " B ", p, 1, 1" MAJOR "; }" : WGMMA_SUMS_##HALF(0) : "l"(a), "l"(b))
#define WGMMA_COLUMNS(TYPES, MAJOR) \
    if constexpr (HALF == 32) WGMMA_ASM("64" TYPES, 32, "%32", "%33", MAJOR); \
    else if constexpr (HALF == 64) WGMMA_ASM("128" TYPES, 64, "%64", "%65", MAJOR); \
    else WGMMA_ASM("256" TYPES, 128, "%128", "%129", MAJOR);
#define WGMMA_MAJORS(TYPES) \
    if constexpr (ACROSS_A && ACROSS_B) { WGMMA_COLUMNS(TYPES, ", 1, 1") } \
    else if constexpr (ACROSS_B) { WGMMA_COLUMNS(TYPES, ", 0, 1") } \
    else { WGMMA_COLUMNS(TYPES, ", 0, 0") }

// 16 deep, of bfloat16. ACROSS_A, ACROSS_B: whether the operand's depth runs across its rows.
template <int ACROSS_A, int ACROSS_B, int HALF>
__device__ __forceinline__ void wgmma_bf16(float (&d)[HALF], unsigned long long a, unsigned long long b) {
    static_assert(!ACROSS_A || ACROSS_B, "an A across wants a B across");
    WGMMA_MAJORS("k16.f32.bf16.bf16")
}

// The same of float16.
template <int ACROSS_A, int ACROSS_B, int HALF>
__device__ __forceinline__ void wgmma_fp16(float (&d)[HALF], unsigned long long a, unsigned long long b) {
    static_assert(!ACROSS_A || ACROSS_B, "an A across wants a B across");
    WGMMA_MAJORS("k16.f32.f16.f16")
}

// 8 deep, of TF32: floats of which the unit reads all but the last 13 bits, B's depth along its rows. A is in registers, as a
// warp's four are of its 16 rows for mma.m16n8k8 (ptx/matrix.cuh). Without ADD the sums begin at 0.
#define WGMMA_TF32(COLUMNS, HALF, A, B, ADDS) \
    asm volatile("{ .reg .pred p; setp.ne.b32 p, " ADDS ", 0; wgmma.mma_async.sync.aligned.m64n" COLUMNS "k8.f32.tf32.tf32" \
                 " {" WGMMA_LIST_##HALF "}, {" A "}, " B ", p, 1, 1; }" \
                 : WGMMA_SUMS_##HALF(0) : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b), "n"(ADD))
template <bool ADD, int HALF>
__device__ __forceinline__ void wgmma_tf32(float (&d)[HALF], const unsigned (&a)[4], unsigned long long b) {
    if constexpr (HALF == 32) WGMMA_TF32("64", 32, "%32,%33,%34,%35", "%36", "%37");
    else if constexpr (HALF == 64) WGMMA_TF32("128", 64, "%64,%65,%66,%67", "%68", "%69");
    else WGMMA_TF32("256", 128, "%128,%129,%130,%131", "%132", "%133");
}
#endif
