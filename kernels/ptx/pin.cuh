// A value that the compiler may not know: it stays in its register, in place of being computed anew wherever it is used.
#pragma once

#ifdef GPUNN_HOST
template <typename V> inline void pin(V&) {}
#else
__device__ __forceinline__ void pin(int& v) { asm volatile("" : "+r"(v)); }
__device__ __forceinline__ void pin(const char*& p) { asm volatile("" : "+l"(p)); }
#endif

// p + 16 n. Before sm_120 as PTX multiplies and adds, by one instruction or two: the compiler would keep n's sign in a
// register of its own. There it is the other way round.
__device__ __forceinline__ const char* packs_on(const char* p, int n) {
#if defined(GPUNN_HOST) || __CUDA_ARCH__ >= 1200
    return p + 16 * (long long)n;
#else
    const char* sum;
    asm("mad.wide.s32 %0, %1, 16, %2;" : "=l"(sum) : "r"(n), "l"(p));
    return sum;
#endif
}
