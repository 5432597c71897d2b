// A value that the compiler may not know: it stays in its register, in place of being computed anew wherever it is used.
#pragma once

#ifdef GPUNN_HOST
template <typename V> inline void pin(V&) {}
#else
__device__ __forceinline__ void pin(int& v) { asm volatile("" : "+r"(v)); }
__device__ __forceinline__ void pin(const char*& p) { asm volatile("" : "+l"(p)); }
#endif
