"""Answers to the exercises of 09_kernels: right ones, and likely mistakes."""

TREE = """
extern "C" __global__ void add_up(const float* x, float* sum)
{
    __shared__ float part[256];
    const int t = threadIdx.x;
    part[t] = x[t];
    __syncthreads();
    for (int half = 128; half > 0; half /= 2) {
        if (t < half) part[t] += part[t + half];
        __syncthreads();
    }
    if (t == 0) *sum = part[0];
}
"""
RACE = TREE.replace("        __syncthreads();\n", "")
HALF = TREE.replace("int half = 128", "int half = 64")
BROKEN = TREE.replace("const int t = threadIdx.x;", "")
ALONE = """
extern "C" __global__ void add_up(const float* x, float* sum)
{
    if (threadIdx.x > 0) return;
    float total = 0;
    for (int i = 0; i < 256; ++i) total += x[i];
    *sum = total;
}
"""


def roofline(M, N, K):
    flops, moved = 2 * M * N * K, 4 * (M * K + K * N + M * N)
    return flops / moved, max(flops / 55.6e12, moved / 4.23e12)


SOLUTIONS = {
    1: lambda block, thread, k, blocks, threads: (k * blocks + block) * threads + thread,
    2: roofline,
    3: TREE,
}
WRONG = {
    1: [
        lambda block, thread, k, blocks, threads: block * threads + thread + k,
        lambda block, thread, k, blocks, threads: (thread * blocks + block) * 2 + k,
        lambda block, thread, k, blocks, threads: block / threads + thread + k,
    ],
    2: [
        lambda M, N, K: (roofline(M, N, K)[0] / 2, roofline(M, N, K)[1]),  # multiplications alone
        lambda M, N, K: (roofline(M, N, K)[0], 2 * M * N * K / 55.6e12),  # no memory
        lambda M, N, K: 1.0,
    ],
    3: [RACE, HALF, BROKEN, ALONE, 7],
}
