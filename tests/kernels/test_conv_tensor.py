"""Convolutions on tensor cores: which row takes what, in what words it is refused, and the plain loops' numbers."""

import os
from dataclasses import replace

import numpy as np
import pytest

from gpunn import emulator as host
from gpunn import verify
from gpunn.asked import precision
from gpunn.backend import to_device
from gpunn.cuda import conv, conv_tensor, variants
from gpunn.cuda.device import EMULATOR
from gpunn.cuda.problem import Conv
from gpunn.cuda.variants import OPERATIONS, use_variant
from gpunn.window import Window

in_ci = pytest.mark.skipif(not os.environ.get("CI"), reason="a minute of compiling tiles: in CI")


def job(dtype="bfloat16", channels=64, filters=64, plane=56, size=3, groups=1, precision="fp32", n=64, aligned=True):
    win = Window.of(size, 1, size // 2)
    shapes = (n, channels, plane, plane), (filters, channels // groups, size, size), (n, filters, plane, plane)
    return Conv(dtype, aligned, *shapes, win, groups, precision=precision)


@pytest.fixture
def hopper(monkeypatch):
    monkeypatch.setenv("GPUNN_EMULATOR_ARCH", "90")
    variants._lacking.cache_clear()
    yield
    variants._lacking.cache_clear()


def mma(variant):
    return variant.sources[0].partition("/")[2].startswith("tensor_")


@pytest.mark.parametrize("operation", ["conv2d.forward", "conv2d.grad_input"])
@pytest.mark.parametrize(
    "asked, name",
    [
        (job(), "bf16_128x64"),
        (job("float16", 256, 256, 14), "fp16_"),
        (job(channels=16, filters=16, plane=32, n=128), "bf16_256x16"),
        (job("float32", 256, 256, 14, precision="tf32"), "tf32_"),
        (job("float32", 256, 256, 14), "3xtf32_"),
        (job("float32", 16, 16, 32, n=128), "3xtf32_256x16"),
    ],
)
def test_a_row_of_the_precision_asked_for_takes_it(operation, asked, name, hopper):
    rows = [v for v in OPERATIONS[operation].variants if mma(v)]
    taking = [v.name for v in rows if not (v.refusal(asked) or v.avoid(asked))]
    assert taking and taking[0].startswith(name)


@pytest.mark.parametrize(
    "asked, name, words",
    [
        (job("float32"), "bf16_128x128", "float32 is not bfloat16"),
        (job("float32"), "tf32_128x128", r"TF32 was not asked for: gpunn.precision\('tf32'\)"),
        (job(channels=12), "bf16_64x64", "C/groups = 12 is no multiple of 8"),
        (job("float32", filters=6), "3xtf32_64x64", "K/groups = 6 is no multiple of 4"),
        (job(aligned=False), "bf16_64x64", "does not start on a multiple of 16 bytes"),
        (job(size=7), "bf16_64x64", "the window has 49 positions, more than 32"),
        (job(channels=2**15, plane=8, n=2**15), "bf16_64x64", "packs of 16 bytes are numbered in 32 bits"),
    ],
)
def test_what_they_do_not_take_is_refused_in_words(asked, name, words):
    with pytest.raises(AssertionError, match=words):
        refusal = OPERATIONS["conv2d.forward"].named(name).refusal(asked)
        assert not refusal, refusal


def test_three_tf32_leave_short_sums_to_float(hopper):
    short = job("float32", channels=4, size=1)
    assert "sum of 4 products" in OPERATIONS["conv2d.forward"].named("3xtf32_64x64").avoid(short)
    assert not conv_tensor.too_short(replace(short, precision="tf32"), conv_tensor.forward, "tf32")


def test_an_older_device_runs_float_multiply_adds():
    chosen, why = OPERATIONS["conv2d.forward"].choose(job("float32"), EMULATOR)
    assert chosen.name == "tiled64" or chosen.precision == "fp32"
    assert "needs sm_80, this device is sm_75" in why


@pytest.mark.usefixtures("emulator")
def test_a_tile_of_16_bits_agrees_with_the_loops():
    """The others in CI, by tests/kernels/test_cases.py and test_tensor_cores.py."""
    pytest.importorskip("ml_dtypes")
    wanted = "conv2d.grad_input", "16-byte channels, groups, unequal"
    (task,) = [task for task in verify.tasks("emulator", "bfloat16") if (task.operation, task.case) == wanted]
    row = verify.Row("conv2d.grad_input", "bf16_256x16", "bfloat16")
    verify.check_variant(task, OPERATIONS[row.operation].named(row.variant), row, None)
    assert row.ran == 1 and not row.failures, row


@pytest.mark.parametrize("operation", ["conv2d.forward", "conv2d.grad_input"])
@pytest.mark.parametrize("asked", ["bf16", "tf32", "3xtf32"])
def test_a_device_of_99_kb_a_block_has_tiles_left(operation, asked):
    """Whatever tile a larger device would take."""
    dtype = "bfloat16" if asked == "bf16" else "float32"
    rows = [v for v in OPERATIONS[operation].variants if mma(v) and v.precision == asked]
    for channels, plane in ((512, 7), (256, 14), (128, 28), (64, 56), (32, 16), (16, 32)):
        one = job(dtype, channels, channels, plane, precision="tf32" if asked == "tf32" else "fp32")
        fitting = [v for v in rows if not v.refusal(one) and v.shared(one) <= 99 * 1024]
        assert len(fitting) >= 3 and [v.name for v in fitting if not v.avoid(one)]


@in_ci
@pytest.mark.usefixtures("emulator")
@pytest.mark.parametrize("name", ["bf16_64x64", "tf32_256x16", "3xtf32_64x64"])
@pytest.mark.parametrize("operation", ["forward", "grad_input"])
def test_every_access_is_of_whole_sectors_and_meets_no_bank_twice(operation, name):
    dtype = "bfloat16" if name.startswith("bf16") else "float32"
    stored = verify.numpy_dtype(dtype)
    rng, win = np.random.default_rng(1), Window.of(3, 1, 1)
    x, w = (to_device(rng.standard_normal(s).astype(stored), "emulator") for s in ((2, 32, 9, 9), (32, 32, 3, 3)))
    with use_variant(f"conv2d.{operation}", name), precision("tf32"), host.counting() as counts:
        conv.forward(x, w, None, win, 1) if operation == "forward" else conv.grad_input(x, w, x.shape, win, 1)
    counts.pop("map", None)  # which brings images into the kernels' memory order
    (found,) = counts.values()
    for site in found.sites:
        assert site.excess <= (1.1 if site.space == "global" else 1.0), site
