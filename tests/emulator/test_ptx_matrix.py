"""Host versions of mma.sync and ldmatrix against the fragment tables of the PTX ISA, written out here.

Source: PTX ISA 9.2, "Matrix Fragments for mma.m16n8k16" (floating point) and "for mma.m16n8k8" (.tf32), and the
table of "ldmatrix" for .m8n8. The figures' cells say which lane and element holds a row and a column.
"""

import os

import ml_dtypes
import numpy as np
import pytest

from gpunn import emulator
from gpunn.cuda import nvrtc
from tests.emulator.ptx import with_ptx

in_ci = pytest.mark.skipif(not os.environ.get("CI"), reason="seconds of NVRTC: in CI")


def grid(text: str) -> np.ndarray:
    return np.array([line.split() for line in text.strip().splitlines()], int)


# Rows g of an 8x8 quarter of A, or of half of C and D: lanes, 2 items of a register each.
ROWS_OF_PAIRS = grid("""
 0  0  1  1  2  2  3  3
 4  4  5  5  6  6  7  7
 8  8  9  9 10 10 11 11
12 12 13 13 14 14 15 15
16 16 17 17 18 18 19 19
20 20 21 21 22 22 23 23
24 24 25 25 26 26 27 27
28 28 29 29 30 30 31 31
""")
# The same of TF32: 8 rows, 4 columns, one item a lane.
ROWS_OF_SINGLES = grid("""
 0  1  2  3
 4  5  6  7
 8  9 10 11
12 13 14 15
16 17 18 19
20 21 22 23
24 25 26 27
28 29 30 31
""")
# Half of B, 8 rows k and 8 columns n.
COLUMNS_OF_PAIRS = grid("""
 0  4  8 12 16 20 24 28
 0  4  8 12 16 20 24 28
 1  5  9 13 17 21 25 29
 1  5  9 13 17 21 25 29
 2  6 10 14 18 22 26 30
 2  6 10 14 18 22 26 30
 3  7 11 15 19 23 27 31
 3  7 11 15 19 23 27 31
""")
COLUMNS_OF_SINGLES = grid("""
 0  4  8 12 16 20 24 28
 1  5  9 13 17 21 25 29
 2  6 10 14 18 22 26 30
 3  7 11 15 19 23 27 31
""")
LOW_HIGH = np.tile([0, 1], (8, 4))  # which item of its pair a column of 16 bits is
# (lane, element) of every row and column; elements a0, a1, ... as the ISA numbers them.
A16 = (
    np.block([[ROWS_OF_PAIRS, ROWS_OF_PAIRS], [ROWS_OF_PAIRS, ROWS_OF_PAIRS]]),
    np.block([[0 + LOW_HIGH, 4 + LOW_HIGH], [2 + LOW_HIGH, 6 + LOW_HIGH]]),
)
B16 = np.vstack([COLUMNS_OF_PAIRS, COLUMNS_OF_PAIRS]), np.vstack([0 + LOW_HIGH.T, 2 + LOW_HIGH.T])
A32 = (
    np.block([[ROWS_OF_SINGLES, ROWS_OF_SINGLES], [ROWS_OF_SINGLES, ROWS_OF_SINGLES]]),
    np.kron([[0, 2], [1, 3]], np.ones((8, 4), int)),
)
B32 = np.vstack([COLUMNS_OF_SINGLES, COLUMNS_OF_SINGLES]), np.kron([[0], [1]], np.ones((4, 8), int))
C = np.vstack([ROWS_OF_PAIRS, ROWS_OF_PAIRS]), np.vstack([0 + LOW_HIGH, 2 + LOW_HIGH])


def fragments(table, matrix: np.ndarray, elements: int) -> np.ndarray:
    """(32, elements): what each lane holds of the matrix."""
    held = np.zeros((32, elements), matrix.dtype)
    held[table] = matrix
    return held


SOURCE = with_ptx(
    """
// 0 to 2: one mma; 3 and 4: ldmatrix of 32 rows of 16 bytes of `a`, 80 bytes apart in shared memory
extern "C" __global__ void k(int which, const unsigned* a, const unsigned* b, const float* c, unsigned* d) {
    __shared__ __align__(16) unsigned tile[32 * 20];
    const int lane = threadIdx.x;
    unsigned held[4], b0 = b[2 * lane], b1 = b[2 * lane + 1];
    float sums[4];
    for (int i = 0; i < 4; i++) tile[20 * lane + i] = held[i] = a[4 * lane + i], sums[i] = c[4 * lane + i];
    __syncwarp();
    if (which == 0) mma_bf16(sums, held, b0, b1);
    if (which == 1) mma_fp16(sums, held, b0, b1);
    if (which == 2) mma_tf32(sums, held, b0, b1);
    if (which == 3) load_matrices(held, shared_address(tile + 20 * lane));
    if (which == 4) load_matrices_transposed(held, shared_address(tile + 20 * lane));
    for (int i = 0; i < 4; i++) d[4 * lane + i] = which < 3 ? __float_as_uint(sums[i]) : held[i];
}
extern "C" __global__ void convert(const float* x, unsigned* tf32, unsigned* bf16, unsigned* fp16, int n) {
    for (int i = threadIdx.x; i < n; i += 32) {
        tf32[i] = to_tf32(__float_as_uint(x[i]));
        bf16[i] = pack_bf16(x[i], x[n - 1 - i]);
        fp16[i] = pack_fp16(x[i], x[n - 1 - i]);
    }
}
""",
    "matrix",
)
KINDS = {"bf16": (0, ml_dtypes.bfloat16), "fp16": (1, np.float16), "tf32": (2, np.float32)}
TABLES = {"bf16": (A16, B16), "fp16": (A16, B16), "tf32": (A32, B32)}


def run_mma(kind: str, a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
    which, dtype = KINDS[kind]
    each = 4 // np.dtype(dtype).itemsize
    table_a, table_b = TABLES[kind]
    held_a = fragments(table_a, a.astype(dtype), 4 * each).view(np.uint32)
    held_b = fragments(table_b, b.astype(dtype), 2 * each).view(np.uint32)
    return run(which, held_a, held_b, fragments(C, c, 4)).view(np.float32)[C]


def run(which: int, a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
    d = emulator.empty((32, 4), np.uint32)
    emulator.load(SOURCE, "k")(1, 32, (which, a, b, c, d), strict=True)
    return np.asarray(d)


def numbers(kind: str, *shape: int) -> np.ndarray:
    """Standard normal numbers that the operands hold exactly."""
    x = np.random.default_rng(sum(shape)).standard_normal(shape).astype(np.float32)
    return cut(x) if kind == "tf32" else x.astype(KINDS[kind][1]).astype(np.float32)


def cut(x: np.ndarray) -> np.ndarray:
    """Floats with 10 bits of mantissa, the rest dropped."""
    return (x.view(np.uint32) & np.uint32(0xFFFFE000)).view(np.float32)


def test_mma_cuts_its_sums_off_where_a_float_ends():
    """Toward 0, either way: 1 + 0.75 * 2^-23 is 1, where rounding to nearest makes one place more of it."""
    a, b, c = (np.zeros(shape, np.float32) for shape in ((16, 8), (8, 8), (16, 8)))
    a[:4, 0], b[0] = (1, -1, 2**127, -(2**127)), 2.0**-23 * 0.75
    c[:4] = np.array([1, -1, 0, 0])[:, None]
    a[4:6, 1], b[1] = (2.0**127, -(2.0**127)), 4
    got = run_mma("tf32", a, b, c)
    assert (got[:2] == c[:2]).all() and (got[2:4] == c[2:4] + (a[2:4, :1] * b[0])).all()
    assert (got[4] == np.inf).all() and (got[5] == -np.inf).all()


@pytest.mark.parametrize("kind, block", [("tf32", 4), ("bf16", 8), ("fp16", 8)])
def test_mma_lines_its_products_up_by_the_largest_and_keeps_one_bit_more(kind, block):
    """Beside 1 a product of 2^-25 is nothing, though the block's are a place together; two of 2^-24 are one."""
    depth = 2 * block
    a, b, c = np.zeros((16, depth), np.float32), np.zeros((depth, 8), np.float32), np.ones((16, 8), np.float32)
    a[0], a[1, :2], a[2, 0], a[2, block] = 2.0**-12, 2.0**-11, 2.0**-11, 2.0**-11
    c[3:] = 0
    a[3] = 2.0**-12
    b[:] = 2.0**-13
    got = run_mma(kind, a, b, c)
    assert (got[0] == 1).all() and (got[1] == 1 + 2.0**-23).all()
    assert (got[2] == 1).all(), "each block's sum is cut off where a float ends"
    assert (got[3] == depth * 2.0**-25).all(), "nothing larger is beside them"


@pytest.mark.parametrize("kind", KINDS)
def test_mma_multiplies_what_the_tables_say(kind):
    depth = 8 if kind == "tf32" else 16
    a, b, c = numbers(kind, 16, depth), numbers(kind, depth, 8), numbers("tf32", 16, 8)
    want = a.astype(np.float64) @ b.astype(np.float64) + c
    np.testing.assert_allclose(run_mma(kind, a, b, c), want, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_mma_keeps_nan_and_infinity_in_their_row_and_column(kind):
    depth = 8 if kind == "tf32" else 16
    a, b, c = numbers(kind, 16, depth), numbers(kind, depth, 8), np.zeros((16, 8), np.float32)
    a[3, 5], b[2, 6], c[9, 1] = np.inf, np.nan, -np.inf
    got = run_mma(kind, a, b, c)
    with np.errstate(invalid="ignore"):
        want = a.astype(np.float64) @ b.astype(np.float64) + c
    np.testing.assert_allclose(got, want, rtol=1e-6, atol=1e-6)
    assert np.isnan(got[:, 6]).all() and np.isinf(got[3, :6]).all() and got[9, 1] == -np.inf


def test_mma_reads_ten_bits_of_a_tf32_mantissa():
    """A forgotten to_tf32 shows: the low 13 bits are dropped, which is not what rounding would give."""
    rng = np.random.default_rng(0)
    a, b = (rng.standard_normal(shape).astype(np.float32) for shape in ((16, 8), (8, 8)))
    c = np.zeros((16, 8), np.float32)
    got = run_mma("tf32", a, b, c)
    np.testing.assert_allclose(got, cut(a).astype(np.float64) @ cut(b), rtol=1e-6, atol=1e-7)
    rounded = nearest_tf32(a) @ nearest_tf32(b)
    assert abs(got - rounded).max() > 1e-3


@pytest.mark.parametrize("transposed", [False, True])
def test_ldmatrix_gives_a_lane_what_the_table_says(transposed):
    matrices = np.random.default_rng(1).integers(0, 65536, (4, 8, 8)).astype(np.uint16)
    unused = np.zeros((32, 2), np.uint32), np.zeros((32, 4), np.float32)
    got = run(4 if transposed else 3, matrices.view(np.uint32), *unused).view(np.uint16).reshape(32, 4, 2)
    for i, matrix in enumerate(matrices):
        held = np.zeros((32, 2), np.uint16)
        held[ROWS_OF_PAIRS, LOW_HIGH] = matrix.T if transposed else matrix
        np.testing.assert_array_equal(got[:, i], held)


def nearest_tf32(x: np.ndarray) -> np.ndarray:
    """The nearest number with 11 significant bits, ties away from 0, by arithmetic in float64."""
    with np.errstate(invalid="ignore"):
        _, exponent = np.frexp(x.astype(np.float64))
        exponent = np.maximum(exponent, -125)  # subnormal floats have no more bits than the smallest normal one
        unit = np.exp2(exponent - 11.0)
        return np.where(np.isfinite(x), np.sign(x) * np.floor(abs(x.astype(np.float64)) / unit + 0.5) * unit, x)


def rounded_in_kernel(x: np.ndarray):
    tf32, bf16, fp16 = (emulator.empty(x.size, np.uint32) for _ in range(3))
    emulator.load(SOURCE, "convert")(1, 32, (x, tf32, bf16, fp16, x.size))
    return np.asarray(tf32).view(np.float32), np.asarray(bf16).view(np.uint16), np.asarray(fp16).view(np.uint16)


def special_numbers() -> np.ndarray:
    """Ties of every kind, the ends of each range, NaN of several payloads, infinities, and random bits."""
    bits = np.random.default_rng(2).integers(0, 2**32, 4096, dtype=np.uint32)
    ties = np.array([0x3F801000, 0x3F803000, 0x3F800FFF, 0x3F801001, 0x3F808000, 0x3F818000, 0x7F7FFFFF, 0x7F7FEFFF,
                     0x00001000, 0x00000FFF, 0, 0x7F800000, 0x7FFFFFFF, 0x7FC00000, 0x7F800001], np.uint32)  # fmt: skip
    halves = np.array([65519.99, 65520, 6e-8, 3e-8, 2049, 2051], np.float32).view(np.uint32)
    return np.concatenate([bits, ties, ties | np.uint32(0x80000000), halves]).view(np.float32)


def test_rounding_to_tf32_is_to_nearest_with_ties_away_from_0():
    x = special_numbers()
    got = cut(rounded_in_kernel(x)[0].copy())  # of which mma reads 10 bits
    with np.errstate(over="ignore"):
        want = nearest_tf32(x).astype(np.float32)
    np.testing.assert_array_equal(got, want)
    number = ~np.isnan(x)
    assert np.isnan(got[~number]).all() and (~number).sum() > 6
    assert nearest_tf32(np.float32([1 + 2**-11]))[0] == 1 + 2**-10  # a tie, away from 0


def test_packing_two_floats_rounds_as_numpy_does():
    x = special_numbers()
    _, *got = rounded_in_kernel(x)
    for bits, dtype in zip(got, (ml_dtypes.bfloat16, np.float16), strict=True):
        with np.errstate(over="ignore", invalid="ignore"):
            want = np.stack([x, x[::-1]], axis=1).astype(dtype).astype(np.float32)
        np.testing.assert_array_equal(bits.view(dtype).astype(np.float32).reshape(-1, 2), want)


@in_ci
def test_the_wrappers_compile_for_sm_80():
    if not nvrtc.find_library().exists():
        pytest.skip("no libnvrtc")
    cubin, log = nvrtc.Compiler().cubin(SOURCE, "k.cu", 80)
    assert cubin and " 0 bytes spill stores" in log
