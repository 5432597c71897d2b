"""Convolutions of few or odd channels on tensor cores: which row takes what, refusals, numbers, counts, SASS."""

import os

import numpy as np
import pytest

from gpunn import emulator as host
from gpunn import verify
from gpunn.asked import precision
from gpunn.backend import to_device
from gpunn.cuda import conv, nvrtc, source, variants
from gpunn.cuda.conv_tensor import too_short
from gpunn.cuda.conv_tiles import forward, grad_input
from gpunn.cuda.problem import Conv
from gpunn.cuda.variants import OPERATIONS, use_variant
from gpunn.errors import DeviceError
from gpunn.reference import cases, naive
from gpunn.reference.shapes import ConvCase
from gpunn.window import Window

in_ci = pytest.mark.skipif(not os.environ.get("CI"), reason="tiles take seconds to compile: in CI")
STORED = {"bf16": "bfloat16", "fp16": "float16", "tf32": "tf32", "3xtf32": "float32"}


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
    for kept in (variants.capability, variants._lacking):
        kept.cache_clear()
    yield
    for kept in (variants.capability, variants._lacking):
        kept.cache_clear()


@pytest.mark.parametrize("kind", STORED)
@pytest.mark.parametrize("layer, tile", [({}, "64"), (CIFAR, "16"), (LENET, "16"), (ALEXNET, "")])
def test_first_layers_and_odd_channels_take_it(kind, layer, tile, hopper):
    """But for sums that three TF32 leave to float."""
    asked = job(kind, **layer)
    chosen, _ = OPERATIONS["conv2d.forward"].choose(asked, variants.EMULATOR)
    left = too_short(asked, forward, kind) and chosen.precision == "fp32"
    assert left or chosen.name.startswith(f"{kind}_patch{tile}")


@pytest.mark.parametrize("kind", STORED)
@pytest.mark.parametrize(
    "layer, tile, parts", [({}, "160x64", 264), (CIFAR, "32x32", 1024), (LENET, "160x32", 128), (ALEXNET, "160x64", 88)]
)
def test_their_weights_gradients_take_it(kind, layer, tile, parts, hopper):
    """In parts for two blocks a multiprocessor, in 16 bits twice as many, up to a rectangle each."""
    chosen, _ = OPERATIONS["conv2d.grad_weight"].choose(job(kind, **layer), variants.EMULATOR)
    assert chosen.name == f"{kind}_patch{tile}"
    (launch,) = chosen.plan(job(kind, **layer))
    assert launch.args[5] in (parts, 2 * parts) and launch.shared_bytes + 1024 <= 99 * 1024


def test_the_gradient_of_lenets_input_takes_it(hopper):
    chosen, _ = OPERATIONS["conv2d.grad_input"].choose(job("bf16", **LENET), variants.EMULATOR)
    assert chosen.name == "bf16_patch16"


def test_blocks_keep_their_filters_from_tile_to_tile():
    """As many as an H200 holds side by side, within what small cards give a block."""
    (launch,) = OPERATIONS["conv2d.forward"].named("bf16_patch64").plan(job("bf16"))
    assert launch.grid == (3 * 132, 1) and launch.shared_bytes + 1024 <= 99 * 1024
    (launch,) = OPERATIONS["conv2d.forward"].named("bf16_patch16").plan(job("bf16", **{**CIFAR, "n": 2}))
    assert launch.grid == (16, 1)  # 32 x 4 pixels each: no more than there are


@pytest.mark.parametrize("kind", STORED)
@pytest.mark.parametrize("filters", [16, 8, 4])
def test_few_filters_are_multiplied_on_tensor_cores(kind, filters, hopper):
    """By tiles of 16 filters, whole or in part; in 16 bits 4 filters are no multiple of 16 bytes."""
    for name in ("forward", "grad_input", "grad_weight"):
        asked = job(kind, 16, filters, 32, 3, 1)
        if name == "grad_input" and too_short(asked, grad_input, kind):
            continue
        chosen, _ = OPERATIONS[f"conv2d.{name}"].choose(asked, variants.EMULATOR)
        assert chosen.name.startswith(f"{kind}_patch" if filters == 4 and kind in ("bf16", "fp16") else f"{kind}_")


@pytest.mark.parametrize(
    "operation, name, asked, words",
    [
        ("forward", "bf16_patch64", job("3xtf32"), "float32 is not bfloat16"),
        ("forward", "tf32_patch64", job("3xtf32"), r"TF32 was not asked for: gpunn.precision\('tf32'\)"),
        ("forward", "bf16_patch64", job("bf16", 333), r"are \d+ bytes of shared memory, more than 101376"),
        ("forward", "bf16_patch64", job("bf16", dilation=3), "3 channels and a dilation of 3 put pairs"),
        ("forward", "bf16_patch16", job("bf16", **{**CIFAR, "n": 2**20}), "elements are more than 2147418112 for so"),
        ("grad_input", "bf16_patch64", job("bf16"), r"stride is \(2, 2\)"),
        ("grad_weight", "fp16_patch64x64", job("bf16"), "bfloat16 is not float16"),
        ("grad_weight", "bf16_patch64x64", job("bf16", 999, n=8), r"are \d+ bytes of shared memory, more than 101376"),
        ("grad_weight", "bf16_patch64x64", job("bf16", dilation=3), "3 channels and a dilation of 3 put pairs"),
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


# ---------------------------------------------------------------- numbers
STEM = ConvCase("a first layer", (2, 3, 37, 43), (64, 3, 7, 7), (2, 2), (3, 3))


def output(name, case, x=None):
    """y of a case's arrays by a row, and the float64 of what was given."""
    kind = name.split("_")[0]
    below, w, b, _ = case.arrays()
    stored = verify.numpy_dtype("float32" if kind not in ("bf16", "fp16") else STORED[kind])
    x, w, b = (below if x is None else x).astype(stored), w.astype(stored), None if b is None else b.astype(stored)
    bias = None if b is None else to_device(b, "emulator")
    with use_variant("conv2d.forward", name), precision("tf32" if kind == "tf32" else "fp32"):
        y = conv.forward(to_device(x, "emulator"), to_device(w, "emulator"), bias, case.window(), case.groups)
    given = (x, w, b)
    return np.asarray(y).astype(np.float64), [None if a is None else a.astype(np.float64) for a in given]


@pytest.mark.usefixtures("emulator")
def test_a_first_layer_agrees_with_the_loops():
    """All rows on all cases: tests/kernels/test_tensor_cores.py."""
    case = next(case for case in cases.CONV2D if case.name == "all primes")
    y, given = output("tf32_patch16", case)
    want = naive.conv(*given, **case.geometry)
    assert np.abs(y - want).max() < 1e-3 * np.abs(want).max()


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
@pytest.mark.parametrize("kind", ["bf16", "3xtf32"])
def test_numbers_that_no_window_reads_are_in_no_gradient(kind):
    """Beside the last column and below the last row of y windows would read them; gy is zero there."""
    case = ConvCase("unread", (2, 3, 8, 9), (4, 3, 3, 3), (4, 4))
    x, _, _, gy = case.arrays()
    x[:, :, 7], x[:, :, 3], x[..., 7:] = np.nan, np.inf, -np.inf
    stored = verify.numpy_dtype(STORED[kind])
    above, below = gy.astype(stored), x.astype(stored)
    with use_variant("conv2d.grad_weight", f"{kind}_patch32x32"):
        gw, _ = conv.grad_weight(to_device(above, "emulator"), to_device(below, "emulator"), case.w, case.window(), 1)
    want = naive.conv_grad_weight(above.astype(np.float64), below.astype(np.float64), case.w, **case.geometry)
    assert np.isfinite(want).all()
    assert np.abs(np.asarray(gw).astype(np.float64) - want).max() < 1e-2 * np.abs(want).max()


@in_ci
@pytest.mark.usefixtures("emulator")
@pytest.mark.parametrize("name, banks", [("bf16_patch64", 1.06), ("tf32_patch64", 1.11)])
def test_the_patch_is_read_in_whole_sectors(name, banks):
    """At the end of a run lanes go on in the patch's next row, whose banks others read."""
    with host.counting() as counts:
        output(name, ConvCase("CIFAR", (2, 3, 32, 32), (64, 3, 3, 3), padding=(1, 1), bias=False))
    counts.pop("map", None)  # which brings images into the kernels' memory order
    (found,) = counts.values()
    assert found.total("sectors", "global") <= 1.1 * found.total("compulsory", "global"), found.table()
    assert found.total("wavefronts", "shared") <= banks * found.total("phases", "shared"), found.table()


# ---------------------------------------------------------------- machine code
@in_ci
@pytest.mark.parametrize("operation", ["forward", "grad_weight"])
@pytest.mark.parametrize("name", ["bf16", "3xtf32"])
def test_nothing_spills_in_narrow_tiles(operation, name):
    """The widest ones are those of kernels/resources.json."""
    try:
        compiler = nvrtc.Compiler()
    except DeviceError as error:
        pytest.skip(str(error))
    row = OPERATIONS[f"conv2d.{operation}"].named(f"{name}_patch{'16' if operation == 'forward' else '32x32'}")
    launch, text = row.plan(job(name, **LENET))[0], source.read(row.sources[0])
    for architecture in (80, 90):
        found = nvrtc.resources(compiler.cubin(text.specialised(launch.macros), text.file, str(architecture))[1])
        assert not found.spills and not found.stack
