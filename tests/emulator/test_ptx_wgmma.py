"""wgmma on the emulator: descriptors and tiles as the PTX ISA has them, and what a kernel may forget.

Source: PTX ISA 9.2, "Matrix Descriptor Format", "Strides" and "Shared Memory Layout" of wgmma.mma_async, and its
"Register Fragments" of D for .m64nNk16, of A for .m64nNk8.
"""

import ml_dtypes
import numpy as np
import pytest

from gpunn import emulator
from gpunn.emulator import KernelError
from tests.emulator.ptx import with_ptx

DTYPES = {"bf16": ml_dtypes.bfloat16, "fp16": np.float16}
DESCRIBE = """
extern "C" __global__ void describe(const int* of, int* made) {
    const unsigned long long found = descriptor(of[0], of[1], of[2], of[3], of[4]);
    made[0] = (int)(unsigned)found, made[1] = (int)(found >> 32);
}
"""
# A and B come as their memory is to be, 1024 bytes at a time; `wrong` says what is forgotten.
PRODUCT = """
extern "C" __global__ void product(const int* a, const int* b, float* y, int words, int wrong) {
    extern __shared__ int area[];
    for (int i = threadIdx.x; i < words; i += 128) area[i] = a[i];
    for (int i = threadIdx.x; i < N / 64 * words; i += 128) area[words + i] = b[i];
    if (wrong != 1) fence_proxy();
    __syncthreads();
    const unsigned from_a = shared_offset(shared_address((void*)area)), from_b = from_a + words * 4;
    float sums[N / 2];
    for (int i = 0; i < N / 2; ++i) sums[i] = i;
    if (wrong != 2) wgmma_fence();
#pragma unroll 1
    for (int step = 0; step < 4; ++step) {
        MMA(sums, (LIES_A ? across_rows(from_a, 8192) : deep_rows(from_a)) + (LIES_A ? 128 : 2) * step,
            (LIES_B ? across_rows(from_b, 8192) : deep_rows(from_b)) + (LIES_B ? 128 : 2) * step);
    }
    wgmma_commit();
    if (wrong == 3) sums[5] = 1;
    if (wrong == 4) area[words + 4] ^= 64;
    if (wrong == 5) MMA(sums, deep_rows(from_a), deep_rows(from_b));
    wgmma_wait<0>();
    if (wrong == 6) area[7] = 0;
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    for (int i = 0; i < N / 2; ++i) {
        y[(warp * 16 + lane / 4 + i / 2 % 2 * 8) * N + i / 4 * 8 + lane % 4 * 2 + i % 2] = sums[i];
    }
}
"""
# TF32's A, 64 x 32, goes from its rows in memory to registers.
FROM_REGISTERS = """
extern "C" __global__ void product(const unsigned* a, const int* b, float* y, int wrong) {
    extern __shared__ int area[];
    for (int i = threadIdx.x; i < N * 32; i += 128) area[i] = b[i];
    fence_proxy();
    __syncthreads();
    const unsigned long long from = deep_rows(shared_offset(shared_address((void*)area)));
    const int lane = threadIdx.x % 32, row = threadIdx.x / 32 * 16 + lane / 4;
    unsigned mine[4][4];
    for (int i = 0; i < 16; ++i) mine[i / 4][i % 4] = a[(row + i % 2 * 8) * 32 + i / 4 * 8 + lane % 4 + i % 4 / 2 * 4];
    float sums[N / 2];
    for (int i = 0; i < N / 2; ++i) sums[i] = 1000;
    wgmma_fence();
    wgmma_tf32<false>(sums, mine[0], from);
    for (int step = 1; step < 4; ++step) wgmma_tf32<true>(sums, mine[step], from + 2 * step);
    wgmma_commit();
    if (wrong) mine[2][1] ^= 1 << 20;
    wgmma_wait<0>();
    for (int i = 0; i < N / 2; ++i) y[(row + i / 2 % 2 * 8) * N + i / 4 * 8 + lane % 4 * 2 + i % 2] = sums[i];
}
"""
RULES = {
    1: "whoever writes what a wgmma reads calls fence_proxy before",
    2: "each group of wgmma begins with a wgmma_fence",
    3: "nobody touches the sums of a wgmma before its wgmma_wait",
    4: "what a wgmma reads stays as it is until its wgmma_wait",
    5: "each group of wgmma begins with a wgmma_fence",
}


def swizzled(matrix: np.ndarray, across: bool) -> np.ndarray:
    """(outer, 128 bytes of depth) as the 128-byte swizzle has it, in bytes; across: (outer, 64 items of depth).

    A depth along its row: chunk c of 16 bytes of row r lies at c ^ r % 8. Across: 64 neighbours are a row, a depth is a
    row of them; blocks of 64 neighbours follow one another.
    """
    if across:
        matrix = np.concatenate([block.T for block in np.split(matrix, len(matrix) // 64)])
    rows = np.ascontiguousarray(matrix).view(np.uint8).reshape(-1, 8, 16)
    place = np.arange(8)[None, :] ^ (np.arange(len(rows)) % 8)[:, None]
    made = np.empty_like(rows)
    np.put_along_axis(made, place[:, :, None], rows, 1)
    return made.reshape(-1).view(np.int32)


def run(kind, columns, across=(0, 0), wrong=0, strict=False):
    """(what it computes, what it should)."""
    rng = np.random.default_rng(columns)
    depth = 128 // np.dtype(DTYPES[kind]).itemsize
    a, b = ((rng.integers(-8, 8, (n, depth)) / 4).astype(DTYPES[kind]) for n in (64, columns))
    half = f"{across[0]}, {across[1]}, N / 2"
    macros = {"N": columns, "LIES_A": across[0], "LIES_B": across[1], "MMA": f"(wgmma_{kind}<{half}>)"}
    kernel = emulator.load(with_ptx(PRODUCT, "wgmma"), "product", macros=macros, filename="k.cu")
    y = np.empty((64, columns), np.float32)
    memory = swizzled(a, across[0]), swizzled(b, across[1])
    kernel((1,), (128,), (*memory, y, 2048, wrong), shared_bytes=8192 * (1 + columns // 64), strict=strict)
    row, column = np.indices(y.shape)
    start = column // 8 * 4 + row // 8 % 2 * 2 + column % 2  # sums[i] = i
    return y, a.astype(np.float64) @ b.astype(np.float64).T + start


@pytest.mark.parametrize(
    "given, fields",
    [
        ((0, 16, 1024, 1, 0), {16: 1, 32: 64, 62: 1}),
        ((0x3A400, 16, 1024, 1, 0), {0: 0x3A40, 16: 1, 32: 64, 62: 1}),
        ((1024 + 96, 8192, 2048, 2, 0), {0: 70, 16: 512, 32: 128, 62: 2}),
        ((512, 128, 256, 3, 4), {0: 32, 16: 8, 32: 16, 49: 4, 62: 3}),
        ((0x3FFF0, 0x3FFF0, 0x3FFF0, 0, 7), {0: 0x3FFF, 16: 0x3FFF, 32: 0x3FFF, 49: 7}),
    ],
)
def test_a_descriptor_has_its_fields_where_the_ptx_isa_says(given, fields):
    kernel = emulator.load(with_ptx(DESCRIBE, "wgmma"), "describe", filename="k.cu")
    made = np.zeros(2, np.int32)
    kernel((1,), (1,), (np.array(given, np.int32), made))
    low, high = (int(word) & 0xFFFFFFFF for word in made)
    assert high << 32 | low == sum(value << bit for bit, value in fields.items())


@pytest.mark.parametrize("kind, columns, across", [("bf16", 128, (0, 0)), ("fp16", 64, (0, 1)), ("bf16", 256, (1, 1))])
def test_products_of_swizzled_tiles(kind, columns, across):
    got, want = run(kind, columns, across, strict=columns == 64)
    np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("wrong", RULES)
def test_what_is_forgotten_is_named(wrong):
    with pytest.raises(KernelError, match=f"{RULES[wrong]}.* failed at k.cu:"):
        run("fp16", 64, wrong=wrong, strict=True)


def from_registers(a, b, wrong=0, strict=False):
    """a (64, 32) times b (columns, 32), as TF32."""
    y = np.empty((64, len(b)), np.float32)
    kernel = emulator.load(with_ptx(FROM_REGISTERS, "wgmma"), "product", macros={"N": len(b)}, filename="k.cu")
    args = a.view(np.uint32).reshape(-1), swizzled(b, False), y, wrong
    kernel((1,), (128,), args, shared_bytes=128 * len(b), strict=strict)
    return y


def test_tf32_takes_rows_from_registers_and_begins_sums_anew():
    rng = np.random.default_rng(0)
    a, b = ((rng.integers(-8, 8, (n, 32)) / 4).astype(np.float32) for n in (64, 128))
    np.testing.assert_array_equal(from_registers(a, b, strict=True), a.astype(np.float64) @ b.T)
    with pytest.raises(KernelError, match=f"{RULES[4]}.* failed at k.cu:"):
        from_registers(a, b, wrong=1)


def test_tf32_reads_ten_bits_of_a_mantissa():
    """Ones with every bit of the mantissa set count 1.9990234375."""
    ones, nearly_twos = np.ones((64, 32), np.float32), np.full((64, 32), 0x3FFFFFFF, np.int32).view(np.float32)
    for a, b in ((ones, nearly_twos), (nearly_twos, ones)):
        assert from_registers(a, b)[0, 0] == 32 * (2 - 2**-10)


def test_sums_are_cut_off():
    """Three quarters of the last place of 1, which rounding would make a whole one."""
    a, b = np.zeros((64, 32), np.float32), np.zeros((64, 32), np.float32)
    a[:, 0], b[:, 0] = 1, 1
    a[:, 8], b[:, 8] = 1, 3 * 2.0**-25
    assert from_registers(a, b)[0, 0] == 1
