"""Convolutions of few or odd channels on tensor cores: which row takes what, refusals, numbers, counts, SASS."""

import os

import numpy as np
import pytest

from gpunn import emulator as host
from gpunn import verify
from gpunn.asked import precision
from gpunn.backend import to_device
from gpunn.cuda import conv, conv_patch, kernel, nvrtc, source, variants
from gpunn.cuda.problem import Conv
from gpunn.cuda.variants import OPERATIONS, use_variant
from gpunn.errors import DeviceError
from gpunn.reference import cases, naive
from gpunn.verify import sass
from gpunn.verify.run import Row, check_variant
from gpunn.window import Window

in_ci = pytest.mark.skipif(not os.environ.get("CI"), reason="tiles take seconds to compile: in CI")
STORED = {"bf16": "bfloat16", "fp16": "float16", "tf32": "tf32", "3xtf32": "float32"}
LONG = ("last part empty",)  # cases of thousands of pixels, which gpunn verify runs


def job(kind, channels=3, filters=64, plane=224, size=7, stride=2, n=64, dilation=1):
    """A ResNet's first layer, or another, to be multiplied in a precision."""
    win = Window.of(size, stride, size // 2, dilation)
    shapes = (n, channels, plane, plane), (filters, channels, size, size), (n, filters, *win.out((plane, plane)))
    dtype = "float32" if kind == "tf32" else STORED[kind]
    return Conv(dtype, True, *shapes, win, 1, precision="tf32" if kind == "tf32" else "fp32")


CIFAR = {"filters": 16, "plane": 32, "size": 3, "stride": 1, "n": 128}
LENET = {"channels": 6, "filters": 16, "plane": 14, "size": 5, "stride": 1}
ALEXNET = {"size": 11, "stride": 4}


@pytest.fixture
def hopper(monkeypatch):
    """The emulator stands for one, for as long as the test runs."""
    monkeypatch.setenv("GPUNN_EMULATOR_ARCH", "90")
    for kept in (kernel.capability, variants._lacking):
        kept.cache_clear()
    yield
    for kept in (kernel.capability, variants._lacking):
        kept.cache_clear()


@pytest.mark.parametrize("kind", STORED)
@pytest.mark.parametrize("layer, tile", [({}, "64"), (CIFAR, "16"), (LENET, "16"), (ALEXNET, "")])
def test_first_layers_and_odd_channels_take_it(kind, layer, tile, hopper):
    chosen, _ = OPERATIONS["conv2d.forward"].choose(job(kind, **layer), variants.EMULATOR)
    assert chosen.name.startswith(f"{kind}_patch{tile}")


def test_the_gradient_of_lenets_input_takes_it(hopper):
    chosen, _ = OPERATIONS["conv2d.grad_input"].choose(job("bf16", **LENET), variants.EMULATOR)
    assert chosen.name == "bf16_patch16"


def test_blocks_keep_their_filters_from_tile_to_tile():
    """As many as an H200 holds side by side, within what small cards give a block."""
    (launch,) = OPERATIONS["conv2d.forward"].named("bf16_patch64").plan(job("bf16"))
    assert launch.grid == (3 * 132, 1) and launch.shared_bytes + 1024 <= 99 * 1024
    (launch,) = OPERATIONS["conv2d.forward"].named("bf16_patch16").plan(job("bf16", **{**CIFAR, "n": 2}))
    assert launch.grid == (16, 1)  # 32 x 4 pixels each: no more than there are


@pytest.mark.parametrize(
    "operation, name, asked, words",
    [
        ("forward", "bf16_patch64", job("3xtf32"), "float32 is not bfloat16"),
        ("forward", "tf32_patch64", job("3xtf32"), r"TF32 was not asked for: gpunn.precision\('tf32'\)"),
        ("forward", "bf16_patch64", job("bf16", 333), r"are \d+ bytes of shared memory, more than 101376"),
        ("forward", "bf16_patch64", job("bf16", dilation=3), "3 channels and a dilation of 3 put pairs"),
        ("grad_input", "bf16_patch64", job("bf16"), r"stride is \(2, 2\)"),
    ],
)
def test_what_they_do_not_take_is_refused_in_words(operation, name, asked, words):
    with pytest.raises(AssertionError, match=words):
        refusal = OPERATIONS[f"conv2d.{operation}"].named(name).refusal(asked)
        assert not refusal, refusal


@pytest.mark.parametrize(
    "asked, words",
    [
        (job("bf16", 64, size=3), "accesses of 16 bytes take these channels"),
        (job("bf16", size=1), "81% of the depth would be filled up with zeros"),
        (job("bf16", filters=3), "3 columns would leave a tile empty"),
        (job("3xtf32", size=1), "sum of 3 products"),
    ],
)
def test_what_others_do_sooner_is_left_to_them(asked, words):
    kind = "bf16" if asked.dtype == "bfloat16" else "3xtf32"
    assert words in OPERATIONS["conv2d.forward"].named(f"{kind}_patch64").avoid(asked)


def agree(operation, names, light=lambda number, case: True, strict=False):
    """Every case that they take is as the plain loops have it."""
    for kind, dtype in STORED.items():
        rows = [v for v in OPERATIONS[operation].variants if v.name in names and v.precision == kind]
        kept = {v.name: Row(operation, v.name, dtype) for v in rows}
        found = [t for t in verify.tasks("emulator", dtype) if t.operation == operation] if rows else []
        for number, task in enumerate(t for t in found if not t.case.startswith(LONG)):
            want = None
            for variant in rows if light(number, task.case) else ():
                with host.strict(strict):
                    want = check_variant(task, variant, kept[variant.name], want)
        for row in kept.values():
            assert row.ran > 0 and not row.failures, f"{row}"


@pytest.mark.usefixtures("emulator")
def test_a_first_layer_agrees_with_the_loops():
    pytest.importorskip("ml_dtypes")
    agree("conv2d.forward", ["bf16_patch16"], lambda _, case: case in ("all primes", "NaN and infinities"))


@in_ci
@pytest.mark.usefixtures("emulator")
@pytest.mark.parametrize("operation", ["conv2d.forward", "conv2d.grad_input"])
def test_every_case_agrees_with_the_loops(operation):
    agree(operation, [f"{kind}_patch{tile}" for kind, tile in zip(STORED, (32, 16, 32, 64), strict=True)])


@in_ci
@pytest.mark.usefixtures("emulator")
@pytest.mark.parametrize("operation", ["conv2d.forward", "conv2d.grad_input"])
def test_no_result_depends_on_the_order_of_threads(operation):
    agree(operation, ["bf16_patch16", "3xtf32_patch32"], lambda number, _: number % 4 == 0, strict=True)


# ---------------------------------------------------------------- numbers
STEM = cases.ConvCase("a first layer", (2, 3, 37, 43), (64, 3, 7, 7), (2, 2), (3, 3))


def output(name, case, x=None):
    """y of a case's arrays by a row, and the float64 of what was given."""
    kind = name.split("_")[0]
    below, w, b, _ = case.arrays()
    stored = verify.numpy_dtype("float32" if kind not in ("bf16", "fp16") else STORED[kind])
    given = [(below if x is None else x).astype(stored), w.astype(stored), b.astype(stored)]
    with use_variant("conv2d.forward", name), precision("tf32" if kind == "tf32" else "fp32"):
        y = conv.forward(*[to_device(a, "emulator") for a in given], case.window(), case.groups)
    return np.asarray(y).astype(np.float64), [a.astype(np.float64) for a in given]


@in_ci
@pytest.mark.usefixtures("emulator")
def test_errors_against_float64_are_those_of_the_precision():
    """Of the largest output; three TF32: twice the error of the kernel that multiplies floats."""
    by_float, _ = output("gather", STEM)
    x, w, b, _ = (a.astype(np.float64) for a in STEM.arrays())
    want = naive.conv(x, w, b, **STEM.geometry)
    float_error = np.abs(by_float - want).max() / np.abs(want).max()
    allowed = {"tf32": 1e-3, "bf16": 1e-2, "fp16": 2e-3, "3xtf32": 2 * float_error}
    for kind, bound in allowed.items():
        y, _ = output(f"{kind}_patch64", STEM)
        assert np.abs(y - want).max() / np.abs(want).max() < bound, kind


@in_ci
@pytest.mark.usefixtures("emulator")
@pytest.mark.parametrize("name", ["bf16_patch64", "3xtf32_patch64"])
def test_numbers_that_are_none_stay_where_windows_hold_them(name):
    """Behind a run, and in the depth's filling, a zero meets what is no number."""
    x = STEM.arrays()[0].copy()
    x[0, 1, 4, 5], x[0, 2, 20, 42], x[1, 0, 36, 0] = np.nan, np.inf, -np.inf
    y, given = output(name, STEM, x)
    want = naive.conv(*given, **STEM.geometry)
    assert np.isnan(want).any() and np.isinf(want).any()
    np.testing.assert_array_equal(np.isnan(y), np.isnan(want))
    np.testing.assert_array_equal(np.isposinf(y), np.isposinf(want))


@in_ci
@pytest.mark.usefixtures("emulator")
@pytest.mark.parametrize("name, banks", [("bf16_patch64", 1.06), ("tf32_patch64", 1.11)])
def test_the_patch_is_read_in_whole_sectors(name, banks):
    """At the end of a run lanes go on in the patch's next row, whose banks others read."""
    with host.counting() as counts:
        output(name, cases.ConvCase("CIFAR", (2, 3, 32, 32), (64, 3, 3, 3), padding=(1, 1)))
    (found,) = counts.values()
    assert found.total("sectors", "global") <= 1.1 * found.total("compulsory", "global"), found.table()
    assert found.total("wavefronts", "shared") <= banks * found.total("phases", "shared"), found.table()


# ---------------------------------------------------------------- machine code
LEAST = {"bf16": 0.35, "fp16": 0.35, "tf32": 0.23, "3xtf32": 0.2}  # of HMMA in the main loop


@in_ci
@pytest.mark.parametrize("operation", ["forward", "grad_input"])
@pytest.mark.parametrize("row", conv_patch.PATCHES, ids=lambda row: row.name)
def test_main_loops_multiply_and_nothing_spills(operation, row):
    try:
        compiler, disassembler = nvrtc.Compiler(), sass.find_disassembler()
    except DeviceError as error:
        pytest.skip(str(error))
    asked = job(row.precision, **LENET)
    (launch,) = OPERATIONS[f"conv2d.{operation}"].named(row.name).plan(asked)
    text = source.read(launch.kernel)
    for architecture in (80, 86, 90, 100, 120) if row.columns == 64 else (90,):
        cubin, log = compiler.cubin(text.specialised(launch.macros), text.file, str(architecture))
        found = nvrtc.resources(log)
        assert not found.spills and not found.stack
        if disassembler and row.columns == 64 and architecture != 120:
            loop = sass.main_loop(sass.disassembled(cubin, disassembler), "HMMA")
            assert loop.count("HMMA") / len(loop) >= LEAST[row.precision], f"{row.name} sm_{architecture}"
