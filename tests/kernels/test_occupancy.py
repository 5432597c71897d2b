"""The model of a launch on an H200: against times measured on one, and the table of four networks' launches."""

import json
import math
import re
from pathlib import Path

import pytest

import gpunn.cuda  # noqa: F401  (fills the table of operations)
from gpunn.cuda.plans import Launch
from gpunn.cuda.problem import Columns, Conv
from gpunn.cuda.variants import OPERATIONS
from gpunn.verify import occupancy
from gpunn.window import Window
from tests.kernels import launch_shapes

MEASURED = Path(__file__).parents[2] / "bench" / "results" / "conv2d-cuda-h200-2026-11-26.json"
COMPILED = {  # what the measured commit's kernels compiled to: registers, bytes of shared memory, share of FFMA
    ("forward", 128): ([145, 16384], 0.796),
    ("forward", 64): ([159, 8192], 0.747),
    ("grad_input", 128): ([149, 16384], 0.672),
    ("grad_input", 64): ([160, 8192], 0.642),
    ("grad_weight", 128): ([163, 16384], 0.799),
    ("grad_weight", 64): ([168, 8192], 0.718),
}


def measured(pass_, tile):
    """(problem, seconds) of the tiled kernel's rows of ResNet-50."""
    for row in json.loads(MEASURED.read_text())["rows"]:
        if (row["operation"], row["variant"], row["status"]) == (f"conv2d.{pass_}", f"tiled{tile}", "ok"):
            n, c, h, w, k, _, r, s, *rest = map(int, re.findall(r"\d+", row["shape"]))
            win = Window((r, s), tuple(rest[:2]), tuple(rest[2:]), (1, 1))
            problem = Conv("float32", True, (n, c, h, w), (k, c, r, s), (n, k, *win.out((h, w))), win, 1)
            yield problem, row["seconds"]["median"]


@pytest.mark.parametrize("pass_, tile", COMPILED)
def test_the_model_is_near_what_was_measured(pass_, tile, monkeypatch):
    """54 launches, 199 to 1,260 microseconds: each within a quarter, each kernel's mean within 15 %."""
    registers, share = COMPILED[pass_, tile]
    monkeypatch.setattr(occupancy, "_kept", lambda name, *rest: share if name == "sass.json" else registers)
    operation, ratios = OPERATIONS[f"conv2d.{pass_}"], []
    for problem, seconds in measured(pass_, tile):
        launch = operation.named(f"tiled{tile}").plan(problem)[0]
        assert launch.macros["BM"] == launch.macros["BN"] == tile
        if pass_ == "grad_weight":
            across, down = -(-math.prod(problem.w[1:]) // tile), launch.grid[1]
            launch = launch._replace(grid=(across * -(-264 // (across * down)), down, 1))  # as it was planned then
        ratios.append(occupancy.fit(launch, problem).seconds / seconds)
    assert len(ratios) == 9 and min(ratios) > 0.75 and max(ratios) < 1.25, ratios
    assert math.prod(ratios) ** (1 / 9) == pytest.approx(1, abs=0.15), ratios


def conv(n, c, side, k, pad=1, size=3):
    win = Window((size, size), (1, 1), (pad, pad), (1, 1))
    return Conv("float32", True, (n, c, side, side), (k, c, size, size), (n, k, *win.out((side, side))), win, 1)


def tiled(problem, grid, tile=64, kernel="conv2d/tiled_forward"):
    macros = {"T": "float", "ACC": "float", "BM": tile, "BN": tile}
    return Launch(kernel, macros, grid, (tile * tile // 64,), ("x", "weight", "bias", "residual", "y", problem))


def test_factors_by_hand(monkeypatch):
    """128 channels to 64 filters, 128 images of 8x8: 128 tiles of 64x64, filled; 9 * 16 steps and two."""
    monkeypatch.setattr(occupancy, "_kept", lambda name, *rest: 0.75 if name == "sass.json" else [160, 8192])
    problem = conv(128, 128, 8, 64)
    fit = occupancy.fit(tiled(problem, (128, 1, 1)), problem)
    assert (fit.warps, fit.tile, fit.depth) == (2, 1.0, 144 / 146)
    assert fit.wave == pytest.approx(128 / 132)  # one on each but four multiprocessors
    assert fit.latency == pytest.approx(2 / 4 * 2 / (2 + occupancy.WARPS))  # two of four groups of lanes have a warp
    flops = 2 * 128 * 64 * 64 * 9 * 128
    assert fit.arithmetic == pytest.approx(flops / (55.6e12 * 0.75 * fit.depth * fit.wave * fit.latency))
    assert fit.seconds == fit.arithmetic + occupancy.NODE and fit.bound == "latency"


@pytest.mark.parametrize(
    "registers, shared, block, want",
    [
        (32, 0, 1024, 2),  # 64 warps
        (32, 0, 32, 32),  # blocks
        (33, 0, 256, 6),  # registers by eights: 40 * 256
        (168, 8192, 64, 6),
        (64, 100 * 1024, 128, 2),  # shared memory, a KB a block the driver's
    ],
)
def test_blocks_that_a_multiprocessor_holds(registers, shared, block, want, monkeypatch):
    monkeypatch.setattr(occupancy, "_kept", lambda *_: [registers, shared])
    assert occupancy.resident(tiled(conv(1, 4, 8, 4), (1,))._replace(block=(block,)), "float32") == want


def test_the_last_wave_costs_what_it_holds(monkeypatch):
    """One block more than the device holds at once is a wave of one block a multiprocessor, not of all."""
    monkeypatch.setattr(occupancy, "_kept", lambda name, *rest: 0.75 if name == "sass.json" else [160, 8192])
    problem = conv(128, 128, 8, 64)
    full, more, two = (occupancy.fit(tiled(problem, (n, 1, 1)), problem) for n in (792, 793, 1584))
    assert (full.wave, two.wave) == (1, 1) and more.wave == pytest.approx(793 / 132 / 7)
    assert full.warps == more.warps == two.warps == 12 and two.latency < more.latency * 1.5


def test_what_bounds_a_launch(monkeypatch):
    """A kernel without tiles counts by its bytes; a small one by its node."""
    big, small = Columns("float32", True, 1 << 22, 64), Columns("float32", True, 64, 64)
    for problem, bound in ((big, "memory"), (small, "node")):
        launch = OPERATIONS["conv2d.grad_bias"].variants[0].plan(problem)[0]
        monkeypatch.setattr(occupancy, "UNTILED", 1.0)
        assert occupancy.fit(launch, problem).bound == bound


def test_macros_that_no_table_has_are_named():
    problem = conv(1, 4, 8, 4)
    launch = tiled(problem, (1, 1, 1), 32)
    with pytest.raises(KeyError, match=r"resources.json: no conv2d/tiled_forward float32 BM=32 .*builds --table"):
        occupancy.fit(launch, problem)


# Calls that take another variant than the model's best, and why.
MEANT = {
    ("linear.backward", "M64 N500 K800 G2 float32"): "143 blocks, eleven more than multiprocessors",
    ("linear.forward", "M64 N500 K800 G1 float32"): "72 blocks of 64x64 leave multiprocessors idle",
}


def test_the_table_of_launches_is_the_codes_and_every_layer_takes_the_best_row(look_alike):
    calls = {name: launch_shapes.calls_of(name) for name in launch_shapes.BATCHES}
    remedy = "if this is meant, run `python -m tests.kernels.launch_shapes --write`"
    assert launch_shapes.text(launch_shapes.rows(calls)) == launch_shapes.TABLE.read_text(), remedy
    for name, found in calls.items():
        for call in {(call.operation, call.problem): call for call in found}.values():
            best, seconds, taken = launch_shapes.better(call)
            told = f"{name} {call.operation} {call.problem}: {call.variant} {taken}, {best} {seconds}"
            assert taken <= 1.05 * seconds or (call.operation, str(call.problem)) in MEANT, told


# What each layer of AlexNet-lite is asked, at batch 256, and which of these fall short, and why.
ASKED = {"warps": 8, "wave": 0.85, "tile": 0.75}
SMALL = "fewer blocks than fill a device, or a few more"
SHORT = {
    ("conv2d.grad_weight", "N256 C96 K96"): ({"tile"}, "0.72: 96 filters of 128, 864 columns of 896"),
    ("linear.forward", "M256 N256 K864"): ({"wave"}, SMALL),
    ("linear.forward", "M256 N256 K256"): ({"warps"}, SMALL),
    ("linear.backward", "M256 N256 K256"): ({"wave"}, SMALL),
    ("linear.forward", "M256 N10 K256"): ({"warps", "wave", "tile"}, "10 columns"),
    ("linear.backward", "M256 N10 K256"): ({"warps", "wave", "tile"}, "10 columns"),
}


def test_alexnet_lites_launches_fill_an_h200_but_for_those_named():
    for row in json.loads(launch_shapes.TABLE.read_text())["alexnet_lite"]:
        fall, _ = SHORT.get((row["operation"], " ".join(row["problem"].split()[:3])), (set(), ""))
        assert {name for name, least in ASKED.items() if row[name] < least} == fall, row
