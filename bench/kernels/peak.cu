/*
The rate of multiply-adds that never leave the registers: bench/kernels/roofline.py's measured peak.

MMA undefined: CHAINS independent chains of a multiply-add of T a thread. MMA "f16", "bf16" or "tf32": as many chains of
mma.sync SHAPE, "m16n8k16" or "m16n8k8", with float sums a warp (sm_80 and up). `steps` links a chain.
*/
#define CHAINS 8

extern "C" __global__ void peak(T* out, int steps) {
    T sum[CHAINS];
    for (int i = 0; i < CHAINS; ++i) sum[i] = T(threadIdx.x + i);
#ifdef MMA
    float d[CHAINS][4];
    for (int i = 0; i < CHAINS; ++i)
        for (int j = 0; j < 4; ++j) d[i][j] = float(i + j);
    const unsigned a = threadIdx.x, b = threadIdx.x * 3;  // any bits: the units' speed does not depend on them
    for (int step = 0; step < steps; ++step) {
#pragma unroll
        for (int i = 0; i < CHAINS; ++i)
            asm volatile("mma.sync.aligned." SHAPE ".row.col.f32." MMA "." MMA ".f32 "
                         "{%0, %1, %2, %3}, {%4, %4, %4, %4}, {%5, %5}, {%0, %1, %2, %3};"
                         : "+f"(d[i][0]), "+f"(d[i][1]), "+f"(d[i][2]), "+f"(d[i][3])
                         : "r"(a), "r"(b));
    }
    for (int i = 0; i < CHAINS; ++i) sum[i] += d[i][0] + d[i][1] + d[i][2] + d[i][3];
#else
    const T factor = T(0.999f), term = T(1e-3f);
    for (int step = 0; step < steps; ++step) {
#pragma unroll
        for (int i = 0; i < CHAINS; ++i) sum[i] = sum[i] * factor + term;
    }
#endif
    T total = 0;
    for (int i = 0; i < CHAINS; ++i) total += sum[i];
    out[blockIdx.x * blockDim.x + threadIdx.x] = total;  // read by nobody: it keeps the chains alive
}
