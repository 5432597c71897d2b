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

SOLUTIONS = {
    1: lambda n, threads: -(-n // threads),
    2: lambda block, thread, k, blocks, threads: (k * blocks + block) * threads + thread,
    3: TREE,
}
WRONG = {
    1: [lambda n, threads: n // threads, lambda n, threads: n // threads + 1, lambda n, threads: n / threads],
    2: [
        lambda block, thread, k, blocks, threads: block * threads + thread + k,
        lambda block, thread, k, blocks, threads: (thread * blocks + block) * 2 + k,
        lambda block, thread, k, blocks, threads: block / threads + thread + k,
    ],
    3: [RACE, HALF, BROKEN, 7],
}
