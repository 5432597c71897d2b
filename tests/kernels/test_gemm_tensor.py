"""Matrix products on tensor cores: NaN and infinities, the bound of three TF32, refusals in words."""

import os
import re

import numpy as np
import pytest

from gpunn import emulator as host
from gpunn.asked import precision
from gpunn.cuda import gemm_launch, matmul, variants
from gpunn.cuda.gemm_tensor import TENSOR_ROWS, TILES
from gpunn.cuda.listing import traced
from gpunn.cuda.products import LinearBackward, Product, Side
from gpunn.cuda.variants import OPERATIONS, tracing, use_variant
from gpunn.verify.problems import problems
from gpunn.verify.tasks import numpy_dtype

emulated = pytest.mark.usefixtures("emulator")
in_ci = pytest.mark.skipif(not os.environ.get("CI"), reason="each tile and precision is a kernel to compile: in CI")
ROWS = {variant.name: variant for variant in TENSOR_ROWS}


def product(m=256, n=256, k=256, dtype="float32", aligned=True, asked="fp32"):
    return Product(dtype, aligned, m, n, k, 1, Side(k, 1), Side(k, 1), precision=asked)


def placed(a):
    """The array on the emulator, its axes in the order that memory has them in."""
    return host.EmulatedArray.of(a) if a.flags.c_contiguous else host.EmulatedArray.of(a.T.copy()).T


def times(a, b, variant):
    """a times b turned, by a variant on the emulator."""
    left, right = placed(a), placed(b)
    with use_variant("matmul.product", variant), precision("tf32" if variant.startswith("tf32") else "fp32"):
        return np.asarray(matmul.matmul(left, right.T))


def numbers(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize(
    ("variant", "problem", "words"),
    [
        ("bf16_64x64", product(), "float32 is not bfloat16"),
        ("tf32_64x64", product(), r"TF32 was not asked for: gpunn.precision\('tf32'\)"),
        ("3xtf32_64x64", product(aligned=False), "16-byte accesses do not fit the arrays: rows off 16"),
        ("3xtf32_64x64", product(k=2**22), "rows 4194304 elements apart are more than"),
        ("3xtf32_64x64", product(k=8), "a sum of 8 products is more exact in float32"),
    ],
)
def test_what_tensor_cores_do_not_take_is_said(variant, problem, words):
    assert re.search(words, ROWS[variant].refusal(problem))


def test_tanh_is_derived_in_floats_alone():
    both = next(problems(OPERATIONS["linear.backward"], "float16"))
    tanh = LinearBackward(**{**vars(both), "activation": "tanh"})
    assert "tanh's derivative is rounded where it is multiplied in fp16" in ROWS["fp16_64x64"].refusal(tanh)
    assert ROWS["fp16_64x64"].accepts(both)


def test_small_sides_leave_the_tiles_in_words():
    few = product(m=2048, n=8)
    assert ROWS["3xtf32_128x64"].avoid(few) == "8 columns would leave a 128x64 tile half empty"
    assert ROWS["3xtf32_64x64"].avoid(few) == "8 rows or columns would leave most of a 64x64 tile empty"
    assert "multiprocessors idle" in ROWS["3xtf32_128x64"].avoid(product())
    assert ROWS["3xtf32_128x64"].avoid(product(4096, 4096, 512)) == ""


@pytest.mark.parametrize("name", list(ROWS))
def test_every_tile_fits_the_smallest_device_of_its_architectures(name):
    for operation in ("matmul.product", "linear.backward"):
        for dtype in ("float32", "float16", "bfloat16"):
            for problem in problems(OPERATIONS[operation], dtype):
                if ROWS[name].accepts(problem):
                    assert ROWS[name].shared(problem) <= 99 * 1024 - 128


@emulated
def test_a_device_without_tensor_cores_says_so_once_and_multiplies(monkeypatch):
    """The emulator stands for sm_75."""
    monkeypatch.setattr(variants, "SILENT", set())
    monkeypatch.setattr(variants, "_warned", set())
    a, b = host.EmulatedArray.of(numbers(24, 72)), host.EmulatedArray.of(numbers(20, 72, seed=1))
    words = "precision tf32: tf32_64x64 needs sm_80, this device is sm_75; slower variants multiply float32; leave"
    with tracing() as calls, precision("tf32"):
        with pytest.warns(RuntimeWarning, match=words):
            matmul.matmul(a, b.T)
        matmul.matmul(a, a.T)  # a warning would be an error
    assert calls[0].variant.startswith("tile")
    assert "tf32_64x64: needs sm_80, this device is sm_75" in calls[0].why
    shown = " ".join(" ".join(traced(calls)).split())
    assert "tf32_64x64, 3xtf32_128x64, 3xtf32_64x64: needs sm_80, this device is sm_75;" in shown


@emulated
def test_three_tf32_add_up_anew_what_is_not_finite():
    """NaN, infinities and what TF32 would round to infinity, as plain loops have them; no other output is touched."""
    a, b = numbers(8, 24), numbers(8, 24, seed=1)
    a[1, 3], a[2, 5], a[3, 7], b[4, 2] = np.nan, np.inf, 3.4028e38, -np.inf
    b[:, 7] = np.sign(b[:, 7]) * 2.0**-20
    with np.errstate(invalid="ignore", over="ignore"):
        want = a.astype(np.float64) @ b.astype(np.float64).T
    got = times(a, b, "3xtf32_64x64")
    np.testing.assert_array_equal(np.isnan(got), np.isnan(want))
    np.testing.assert_array_equal(np.isposinf(got), np.isposinf(want))
    finite = np.isfinite(want)
    np.testing.assert_allclose(got[finite], want[finite], rtol=1e-5, atol=1e-5)


def split(x):
    """The two TF32 of kernels/tensor/precision.cuh."""
    bits = x.view(np.uint32)
    big = ((bits + np.uint32(0x1000)) & np.uint32(0xFFFFE000)).view(np.float32)
    small = ((x - big).view(np.uint32) & np.uint32(0xFFFFE000)).view(np.float32)
    return big, small


@pytest.mark.parametrize("depth", [16, 64, 512, 2304])
def test_three_tf32_err_less_than_twice_what_float32_does(depth):
    """Both against float64, by NumPy: three products of TF32, sums of 8 exact and rounded once; a running float sum."""
    rng = np.random.default_rng(depth)
    a, b = (rng.standard_normal((400, depth)).astype(np.float32) for _ in range(2))
    want = (a.astype(np.float64) * b).sum(axis=1)
    (big_a, small_a), (big_b, small_b) = split(a), split(b)
    three, plain = np.zeros(400, np.float32), np.zeros(400, np.float32)
    for k in range(0, depth, 8):
        part = slice(k, k + 8)
        for left, right in ((small_a, big_b), (big_a, small_b), (big_a, big_b)):
            exact = (left[:, part].astype(np.float64) * right[:, part]).sum(axis=1)
            three = (three + exact).astype(np.float32)
    for k in range(depth):
        plain = (plain + a[:, k].astype(np.float64) * b[:, k]).astype(np.float32)
    ours, theirs = (np.sqrt(np.mean((one - want) ** 2)) for one in (three, plain))
    assert ours < 2 * theirs, f"{ours:.3g} against {theirs:.3g}"


@in_ci
@emulated
@pytest.mark.parametrize("name", list(ROWS))
def test_main_loops_read_whole_sectors_and_meet_on_no_bank(name):
    dtype = numpy_dtype({"bf16": "bfloat16", "fp16": "float16"}.get(name.partition("_")[0], "float32"))
    a, b = (numbers(128, 128, seed=i).astype(dtype) for i in range(2))
    for left, right in ((a, b), (np.asfortranarray(a), b), (a, np.asfortranarray(b))):
        with host.counting() as counts:
            times(left, right, name)
        counted = counts["gemm_tensor"]
        assert counted.sector_excess <= 1.1, counted.table()
        assert counted.conflict_ways <= 1.01, counted.table()


def test_depth_is_split_where_tiles_are_few():
    job = product(64, 64, 4096)
    ((parts, each),) = gemm_launch.shares(job, gemm_launch.Tile(64, 64, 32, 64))
    assert parts == 64 and each == 64 and parts * each == 4096
    assert len(TILES) >= 3
