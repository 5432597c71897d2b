"""Convolutions by wgmma: who takes them, what their machine code is, their errors, and strict runs of every tile."""

import os
from contextlib import nullcontext

import ml_dtypes
import numpy as np
import pytest

from gpunn import backend, precision
from gpunn import emulator as host
from gpunn.backend import twins
from gpunn.cuda import conv, conv_wgmma, conv_wgmma_weight, nvrtc, source
from gpunn.cuda.device import EMULATOR
from gpunn.cuda.dtypes import CORES_MACRO, CORES_READ, storage_macros
from gpunn.cuda.plans import Scratch
from gpunn.cuda.problem import Conv
from gpunn.cuda.variants import Operation, use_variant
from gpunn.errors import DeviceError
from gpunn.reference import naive
from gpunn.verify import sass
from gpunn.window import Window

in_ci = pytest.mark.skipif(not os.environ.get("CI"), reason="seconds of compilers and of the emulator: in CI")
ROWS = {
    "forward": conv_wgmma.FORWARD,
    "grad_input": conv_wgmma.GRAD_INPUT,
    "grad_weight": conv_wgmma_weight.GRAD_WEIGHT,
}
FLOATS = ("tf32", "3xtf32")
NAMES = [(name, one.name) for name, rows in ROWS.items() for one in rows]
WIN = Window((3, 3), (1, 1), (1, 1), (1, 1))
ERRORS = {"bf16": 1e-2, "fp16": 2e-3, "tf32": 1e-3}
STORED = {"bf16": ml_dtypes.bfloat16, "fp16": np.float16, "tf32": np.float32, "3xtf32": np.float32}


def job(dtype="bfloat16", n=64, c=256, size=14, k=256, win=WIN, asked="fp32"):
    shape = (n, k, *win.out((size, size)))
    return Conv(dtype, True, (n, c, size, size), (k, c, *win.size), shape, win, 1, precision=asked)


# ---------------------------------------------------------------- who takes them
def test_hopper_takes_them_first_and_others_decline_in_words(monkeypatch):
    for name, rows in ROWS.items():
        operation: Operation = conv.OPERATIONS[2][name]
        assert operation.variants[: len(rows)] == rows
        monkeypatch.setattr("gpunn.cuda.variants._lacking", _lacking(90))
        assert operation.choose(job(), EMULATOR)[0].name.startswith("wgmma_bf16_")
        for arch in (75, 80, 100, 120):
            monkeypatch.setattr("gpunn.cuda.variants._lacking", _lacking(arch))
            _, why = operation.choose(job(), EMULATOR)
            assert f"wgmma_bf16_128x128: needs sm_90a, this device is sm_{arch}" in why


def _lacking(arch):
    def lacking(variant, device):
        need = source.read(variant.sources[0]).architecture
        return "" if source.runs_on(need, arch) else f"needs sm_{need}, this device is sm_{arch}"

    return lacking


def test_tiles_fill_the_multiprocessors():
    """Large layers get large tiles, few pixels small ones or parts: none of ResNet-50's leaves half of them idle."""
    taken = {}
    for c, size in ((64, 56), (128, 28), (256, 14), (512, 7)):
        one = job(c=c, size=size, k=c)
        (row,) = [row for row in conv_wgmma.FORWARD if row.precision == "bf16" and not row.avoid(one)]
        (launch,) = row.plan(one)
        taken[c] = row.name.rpartition("_")[2], launch.grid[0]
        assert launch.grid[0] >= 66, (c, launch.grid)
        (row,) = [row for row in conv_wgmma_weight.GRAD_WEIGHT if row.precision == "bf16" and not row.avoid(one)]
        (launch,) = row.plan(one)
        assert np.prod(launch.grid) >= 66, (c, row.name, launch.grid)
    assert taken[256][0] in ("128x128", "128x256")


@pytest.mark.parametrize(
    "given, words",
    [
        ({"dtype": "float32"}, "float32 is not bfloat16"),
        ({"c": 12}, "C/groups = 12 is no multiple of 8"),
        ({"win": Window((7, 7), (1, 1), (3, 3), (1, 1))}, "the window has 49 positions, more than 32"),
    ],
)
def test_what_they_refuse_is_said(given, words):
    assert conv_wgmma.FORWARD[0].refusal(job(**given)) == words


def test_tf32_is_taken_where_it_is_asked_for_and_few_columns_are_left_to_others():
    tf32 = next(row for row in conv_wgmma.FORWARD if row.precision == "tf32")
    assert tf32.refusal(job("float32")) == "TF32 was not asked for: gpunn.precision('tf32')"
    assert tf32.refusal(job("float32", asked="tf32")) == ""
    for name in ("forward", "grad_input"):
        operation: Operation = conv.OPERATIONS[2][name]
        for asked, first in (("tf32", "wgmma_tf32_"), ("fp32", "wgmma_3xtf32_")):
            one = job("float32", asked=asked)
            taking = [row.name for row in operation.variants if not (row.refusal(one) or row.avoid(one))]
            assert taking[0].startswith(first)
    few = job("float32", c=4, win=Window((1, 1), (1, 1), (0, 0), (1, 1)))
    assert "sum of 4 products" in conv_wgmma.FORWARD[-1].avoid(few)
    assert "16 columns fill less than half of a tile" in conv_wgmma.FORWARD[0].avoid(job(k=16))


# ---------------------------------------------------------------- machine code
@in_ci
@pytest.mark.parametrize(
    "name, row",
    [
        (name, row)
        for name in ROWS
        for row in conv_wgmma.ROWS
        if row.precision == "bf16" or (row.precision in FLOATS and name != "grad_weight")
    ],
)
def test_the_machine_code_is_wgmma_that_does_not_wait_for_itself(name, row):
    """HGMMA, no spills, and no word of the assembler that products are serialised."""
    kernel, tile = source.read(f"conv2d/wgmma_{name}"), row.tile
    macros = {**storage_macros(CORES_READ[row.precision]), "PRECISION": CORES_MACRO[row.precision], **tile.macros}
    try:
        cubin, log = nvrtc.Compiler().cubin(kernel.specialised(macros), kernel.file, "90a")
    except DeviceError as error:
        pytest.skip(str(error)) if "no libnvrtc" in str(error) else pytest.fail(str(error))
    found = nvrtc.resources(log)
    assert (found.spills, found.stack, found.serialised) == (0, 0, "")
    assert found.registers <= 65536 // tile.threads
    disassembler = sass.find_disassembler() or pytest.skip("no nvdisasm: pip install nvidia-cuda-nvdisasm")
    words = sass.disassembled(cubin, disassembler).replace(";", " ").split()
    assert sum(word.startswith("HGMMA") for word in words) == (12 if row.precision == "3xtf32" else 4)
    assert not {"LDL", "STL"} & {word.split(".")[0] for word in words}


# ---------------------------------------------------------------- numbers
def run(name, variant, kind, strict=True):
    """(what the variant computes, what float64 does), of a convolution with a halo and overhanging tiles."""
    rng = np.random.default_rng(3)
    n, c, size, k = 1, 40, 9, 72
    x, w = rng.standard_normal((n, c, size, size)), rng.standard_normal((k, c, 3, 3)) / 20
    made = [a.astype(np.float32).astype(STORED[kind]) for a in (x, w, rng.standard_normal((n, k, size, size)))]
    wide, given = [a.astype(np.float64) for a in made], [backend.to_device(a, "emulator") for a in made]
    x, w, gy = given
    with (
        use_variant(f"conv2d.{name}", variant),
        precision("tf32" if kind == "tf32" else "fp32"),
        host.strict() if strict else nullcontext(),
    ):
        twin, one = twins(x).conv, ((1, 1), (1, 1), (1, 1), 1)
        if name == "forward":
            got, want = twin.forward(x, w, None, WIN, 1), naive.conv(wide[0], wide[1], None, *one)
        elif name == "grad_input":
            got, want = twin.grad_input(gy, w, x.shape, WIN, 1), naive.conv_grad_input(wide[2], wide[1], x.shape, *one)
        else:
            got = twin.grad_weight(gy, x, w.shape, WIN, 1)[0]
            want = naive.conv_grad_weight(wide[2], wide[0], w.shape, *one)
    return backend.to_numpy(got).astype(np.float64), want


@in_ci
@pytest.mark.usefixtures("emulator")
@pytest.mark.parametrize("name, variant", NAMES)
def test_errors_against_float64(name, variant):
    """Of every tile; strict runs, and other cases, are test_tensor_cores'."""
    kind = variant.split("_")[1]
    got, want = run(name, variant, kind, strict=False)
    if kind == "3xtf32":
        floats, _ = run(name, "tiled64", kind, strict=False)
        assert np.abs(got - want).max() <= 2 * np.abs(floats - want).max()
    else:
        assert np.abs(got - want).max() / np.abs(want).max() < ERRORS[kind]
    if kind == "tf32":  # rounded, not cut: twice as exact, and no smaller on average
        assert np.abs(got - want).max() / np.abs(want).max() < 5e-4
        assert abs(((got - want) * np.sign(want)).mean()) / np.abs(want).max() < 2e-5


@in_ci
@pytest.mark.usefixtures("emulator")
@pytest.mark.parametrize("kind, tile", [("bf16", "64x64"), ("bf16", "128x64"), ("3xtf32", "64x64")])
def test_every_access_is_of_whole_sectors_and_meets_no_bank_twice(kind, tile):
    rng, win = np.random.default_rng(1), Window.of(3, 1, 1)
    shapes = ((2, 32, 9, 9), (64, 32, 3, 3), (2, 64, 9, 9))
    x, w, gy = (backend.to_device(rng.standard_normal(s).astype(STORED[kind]), "emulator") for s in shapes)
    for name in ROWS if kind == "bf16" else ("forward", "grad_input"):
        with use_variant(f"conv2d.{name}", f"wgmma_{kind}_{tile}"), host.counting() as counts:
            if name == "forward":
                conv.forward(x, w, None, win, 1)
            elif name == "grad_input":
                conv.grad_input(gy, w, x.shape, win, 1)
            else:
                conv.grad_weight(gy, x, w.shape, win, 1)
        counts.pop("map", None)  # which brings images into the kernels' memory order
        for site in [site for found in counts.values() for site in found.sites]:
            assert site.excess <= (1.1 if site.space == "global" else 1.0), (name, site)


@pytest.fixture
def in_parts(monkeypatch):
    """Plans with this many parts of the depth."""

    def forget():
        for plans in (conv._forward, conv._grad_input, conv._grad_weight):
            plans.cache_clear()

    def ask(count):
        forget()
        monkeypatch.setattr(conv_wgmma.Tile, "parts", lambda tile, tiles, stages: count)

    yield ask
    forget()


@in_ci
@pytest.mark.usefixtures("emulator")
@pytest.mark.parametrize("variant", ["wgmma_bf16_64x64", "wgmma_3xtf32_64x64"])
@pytest.mark.parametrize("name", ["forward", "grad_input"])
def test_parts_of_the_depth_are_added_in_one_order(name, variant, in_parts):
    """Of three parts in strict runs, of twelve in two rounds, some of which have no depth left."""
    kind = variant.split("_")[1]
    for parts in (3, 12):
        in_parts(parts)
        got, want = run(name, variant, kind, strict=parts == 3)
        assert np.abs(got - want).max() / np.abs(want).max() < ERRORS.get(kind, 1e-6)


def test_few_tiles_are_split_over_their_depth():
    """512 channels of 7x7: a tile a multiprocessor at batch 64, parts at batch 1, and no more than there are stages."""
    tile = conv_wgmma.TILES[-1]
    taken = [conv_wgmma.FORWARD[3].plan(job(n=n, c=512, size=7, k=512))[0] for n in (64, 1)]
    assert [launch.args[8] for launch in taken] == [1, 8]
    assert taken[1].grid == (64, 1) and taken[1].args[6] == Scratch("parts", (8, 8, 4096), "float32")
    assert tile.parts(1, 7) <= 3 and tile.parts(132, 1000) == 1
