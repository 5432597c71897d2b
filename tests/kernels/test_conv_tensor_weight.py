"""The weight's gradient on tensor cores: tiles and parts, refusals, numbers, counts, machine code."""

import json
import os

import numpy as np
import pytest

from gpunn import emulator as host
from gpunn.asked import precision
from gpunn.backend import streams, to_device
from gpunn.cuda import conv, conv_tensor_weight, nvrtc, source
from gpunn.cuda.dtypes import CORES_MACRO
from gpunn.cuda.problem import Conv
from gpunn.cuda.variants import OPERATIONS, use_variant
from gpunn.errors import DeviceError
from gpunn.reference import naive
from gpunn.reference.shapes import ConvCase
from gpunn.verify import sass
from gpunn.verify.problems import problems
from gpunn.verify.tasks import numpy_dtype
from tests.kernels.test_conv_tensor import job, mma

in_ci = pytest.mark.skipif(not os.environ.get("CI"), reason="tiles take seconds to compile: in CI")
ROWS = [v for v in OPERATIONS["conv2d.grad_weight"].variants if mma(v)]
STORED = {"bf16": "bfloat16", "fp16": "float16", "tf32": "float32", "3xtf32": "float32"}


def asked(name):
    """The precision in which a row is to be asked for."""
    return precision("tf32" if name.startswith("tf32") else "fp32")


def gradients(name, case, x=None, gy=None):
    """(gw, gb) of a case's arrays, or of others, by a row."""
    below, _, _, above = case.arrays()
    dtype = numpy_dtype(STORED.get(name.split("_")[0], "float32"))
    given = [
        to_device(np.asarray(a).astype(dtype), "emulator")
        for a in (above if gy is None else gy, below if x is None else x)
    ]
    operation = f"conv{len(case.stride)}d.grad_weight"
    with use_variant(operation, name), asked(name):
        made = conv.grad_weight(*given, case.w, case.window(), case.groups, bias=True)
    return [np.asarray(a).astype(np.float64) for a in made]


# ---------------------------------------------------------------- plans, which run nothing
@pytest.mark.parametrize(
    "problem, tile, parts",
    [
        (job(), "64x128", 52),
        (job(channels=256, filters=256, plane=14), "128x128", 7),
        (job(channels=512, filters=512, plane=7), "128x128", 3),
        (job(channels=16, filters=16, plane=32, n=128), "16x192", 512),
        (job("float32", 128, 128, 28, precision="tf32"), "128x128", 29),
        (job("float32"), "64x64", 44),
    ],
)
def test_a_layer_takes_the_tile_and_the_parts_that_an_h200_does_soonest(problem, tile, parts):
    taking = [v for v in ROWS if not (v.refusal(problem) or v.avoid(problem))]
    assert taking[0].name.endswith(f"_{tile}")
    (launch,) = taking[0].plan(problem)
    assert abs(launch.args[6] - parts) <= parts // 8  # J
    assert launch.shared_bytes + 1024 <= 99 * 1024  # what sm_86, 89 and 120 give a block


@pytest.mark.parametrize(
    "problem, name, words",
    [
        (job("float32"), "bf16_128x128", "float32 is not bfloat16"),
        (job("float32"), "tf32_128x128", r"TF32 was not asked for: gpunn.precision\('tf32'\)"),
        (job(channels=12), "bf16_64x64", "C/groups = 12 is no multiple of 8"),
        (job("float32", filters=6), "3xtf32_64x64", "K/groups = 6 is no multiple of 4"),
        (job(aligned=False), "fp16_64x64", "float16"),
        (job(aligned=False), "bf16_64x64", "does not start on a multiple of 16 bytes"),
        (job(size=17), "bf16_64x64", "sizes together are 34, more than 31 bits"),
        (job(filters=2**21, plane=1, size=1, n=2), "bf16_16x192", "2097152 filters are more tiles"),
        (job(channels=2**15, plane=8, n=2**15), "bf16_64x64", "times 16 bytes are numbered in 32 bits"),
    ],
)
def test_what_they_do_not_take_is_refused_in_words(problem, name, words):
    with pytest.raises(AssertionError, match=words):
        refusal = OPERATIONS["conv2d.grad_weight"].named(name).refusal(problem)
        assert not refusal, refusal


def test_three_tf32_leave_short_sums_to_float():
    short = job("float32", plane=2, n=1)
    assert "sum of 4 products" in OPERATIONS["conv2d.grad_weight"].named("3xtf32_64x64").avoid(short)


def test_every_tile_stays_within_the_shared_memory_of_small_cards():
    for row in ROWS:
        for problem in problems(OPERATIONS["conv2d.grad_weight"], STORED[row.precision]):
            assert not row.accepts(problem) or row.shared(problem) <= 99 * 1024, row.name


# ---------------------------------------------------------------- numbers
PARTED = ConvCase("parts", (9, 8, 19, 40), (8, 8, 2, 3), (1, 2), (1, 0))


def check_parts(name, tolerance):
    gw, gb = gradients(name, PARTED)
    assert not streams.tickets(streams.EMULATOR, 256)[:256].any()
    x, _, _, gy = PARTED.arrays()
    want = naive.conv_grad_weight(gy, x, PARTED.w, **PARTED.geometry), naive.conv_grad_bias(gy)
    for got, one in zip((gw, gb), want, strict=True):
        assert np.abs(got - one).max() <= tolerance * np.abs(one).max()


@pytest.mark.usefixtures("emulator")
def test_three_tf32_in_many_parts_are_added_up_in_two_rounds():
    plan = (
        OPERATIONS["conv2d.grad_weight"]
        .named("3xtf32_16x192")
        .plan(Conv("float32", True, PARTED.x, PARTED.w, PARTED.y, PARTED.window(), 1))
    )
    J, fan = plan[0].args[6:8]
    assert J > fan > 1
    check_parts("3xtf32_16x192", 1e-6)


@in_ci
@pytest.mark.usefixtures("emulator")
@pytest.mark.parametrize("name, tolerance", [("bf16_16x192", 1e-2), ("fp16_64x64", 2e-3), ("tf32_32x128", 1e-3)])
def test_parts(name, tolerance):
    check_parts(name, tolerance)


@in_ci
@pytest.mark.usefixtures("emulator")
def test_infinite_and_huge_numbers_are_as_the_plain_loops_have_them():
    """Also where a gradient is infinite, and x beside it is padding; a huge number is no TF32."""
    case = ConvCase("strewn", (2, 8, 5, 4), (8, 8, 3, 3), (1, 1), (1, 1))
    x, _, _, gy = case.arrays()
    x[0, 0, 1, 1:3], x[1, 3, 2, 2], gy[0, 2, 0, 0], gy[1, 5, 4, 3] = np.nan, np.inf, -np.inf, 3.4e38
    x[1, 5] = 1e-3
    with np.errstate(invalid="ignore"):
        want = naive.conv_grad_weight(gy, x, case.w, **case.geometry)
    gw, gb = gradients("3xtf32_64x64", case, x, gy)
    with np.errstate(over="ignore"):
        stored = want.astype(np.float32).astype(np.float64)
    finite = np.isfinite(stored)
    assert (np.isnan(gw) == np.isnan(want)).all() and (np.isinf(gw) == np.isinf(stored)).all()
    np.testing.assert_allclose(gw[finite], want[finite], rtol=1e-4, atol=1e-4)
    assert gb[2] == -np.inf and np.isfinite(gb[3])


@in_ci
@pytest.mark.usefixtures("emulator")
@pytest.mark.parametrize(
    "name, channels",
    [*((v.name, 16) for v in ROWS if v.precision != "fp16"), ("bf16_64x128", 24), ("tf32_64x64", 12)],
)
def test_whole_sectors_are_fetched_and_no_banks_conflict(name, channels):
    """A pixel of an odd number of 16 bytes, the last three, begins in a sector's middle as often as not: the few pixels
    that a warp copies of a tap then lie in one sector more. 1.06 to 1.13 of x's copies, 1.04 to 1.07 of all."""
    case = ConvCase("whole sectors", (2, channels, 7, 9), (48, channels, 3, 3), (1, 1), (1, 1))
    with host.counting() as counts:
        gradients(name, case)
    counts.pop("map", None)  # which brings images into the kernels' memory order
    for found in counts.values():
        assert found.total("sectors", "global") <= 1.1 * found.total("compulsory", "global"), found.table()
        assert found.total("wavefronts", "shared") == found.total("phases", "shared"), found.table()


# ---------------------------------------------------------------- machine code
# Of HMMA in the main loop: of the largest tile; of 16 filters, where in TF32 each number is rounded for two products;
# and what is left of it on sm_120, whose compiler moves registers.
LEAST = {"bf16": 0.30, "tf32": 0.29, "3xtf32": 0.27}
NARROW = {"bf16": 0.15, "tf32": 0.11, "3xtf32": 0.2}
ON_120 = 0.85


@in_ci
@pytest.mark.parametrize("kind", LEAST)
@pytest.mark.parametrize("tile", conv_tensor_weight.TILES)
def test_main_loops_multiply_and_nothing_spills(kind, tile):
    try:
        compiler, disassembler = nvrtc.Compiler(), sass.find_disassembler()
    except DeviceError as error:
        pytest.skip(str(error))
    row = OPERATIONS["conv2d.grad_weight"].named(f"{kind}_{tile}")
    (launch,) = row.plan(job(STORED[kind], precision="tf32" if kind == "tf32" else "fp32"))
    kernel = source.read(launch.kernel)
    for architecture in (80, 86, 90, 100, 120) if tile in ("128x128", "16x192") else (90,):
        cubin, log = compiler.cubin(kernel.specialised(launch.macros), kernel.file, str(architecture))
        found = nvrtc.resources(log)
        assert not found.spills and not found.stack
        if disassembler:
            loop = sass.main_loop(sass.disassembled(cubin, disassembler), "HMMA")
            least = {"128x128": LEAST, "16x192": NARROW}.get(tile, {}).get(kind, 0.14)
            least *= ON_120 if architecture == 120 else 1
            assert loop.count("HMMA") / len(loop) >= least, f"{row.name} sm_{architecture}"


def test_the_table_holds_every_precision_of_the_kernel():
    kept = json.loads((source.folder() / "sass.json").read_text())["conv2d/tensor_grad_weight"]
    assert {word for label in kept for word in label.split() if word.startswith("PRECISION=")} == {
        f"PRECISION={macro}" for macro in CORES_MACRO.values()
    }
