// Addresses in shared memory as PTX takes them: 32 bits from the window's start; on the host pointers.
#pragma once

#ifdef GPUNN_HOST
typedef char* Shared;
#else
typedef unsigned Shared;
#endif

__device__ __forceinline__ Shared shared_address(void* p) {
#ifdef GPUNN_HOST
    return static_cast<char*>(p);
#else
    return static_cast<unsigned>(__cvta_generic_to_shared(p));
#endif
}
