"""The benchmark of single layers: what it compares, what it prints and writes; no time is asserted."""

import json
from dataclasses import replace

import numpy as np
import pytest

import gpunn
from bench.__main__ import main
from bench.output import report, results
from bench.output.layered import layered
from bench.rows import Rival, Row, Spread
from bench.training import layers
from bench.training.layer_cases import LAYERS, Layer
from gpunn import ops

TORCH = pytest.importorskip("torch", reason="PyTorch is not installed: pip install torch", exc_type=ImportError)


def test_a_run_writes_its_rows(tmp_path, capsys, monkeypatch):
    file = tmp_path / "layers.json"
    cases = [replace(one, shapes="2x8x4x4") for one in LAYERS if one.name in ("Mish", "PixelShuffle")]
    monkeypatch.setattr(layers, "LAYERS", cases)
    monkeypatch.setattr("bench.machine.hold_threads", lambda count: None)
    monkeypatch.setattr("bench.machine.without_pins", lambda keep: [])  # which would start pytest anew
    assert main(["cpu", "--layers", "--threads", "1", "--repeats", "1", "--json", str(file)]) == 0
    out = capsys.readouterr().out
    assert "above 2.5 times PyTorch's time: " in out and "2 cases, layers.train fp32" in out
    run = results.load(file)
    assert [(row.case, row.operation) for row in run["rows"]] == [
        (name, f"layers.{what}") for name in ("Mish", "PixelShuffle") for what in ("forward", "train")
    ]
    assert json.loads(file.read_text())["suite"] == "layers"
    assert "| Mish | 2x8x4x4 |" in report.markdown(run)
    assert main(["cpu", "--layers", "Nash"]) == 2
    assert "no layer begins with Nash; there are Mish" in capsys.readouterr().err


@pytest.mark.parametrize("wrong", [lambda x: ops.mish(x) * 1.01, lambda x: ops.mish(x.detach()) + x * 0])
def test_what_differs_is_not_timed(wrong):
    layer = Layer("Mish", lambda lib: wrong if lib is gpunn else lib.nn.Mish(), "2x8")
    assert layers._difference(layer, [layers.Side(gpunn, layer, 0), layers.Side(TORCH, layer, 0)])


def test_cases_are_the_same_every_time():
    for one in (case for case in LAYERS if np.prod([int(n) for n in case.shapes.split()[0].split("x")]) < 1e5):
        for a, b in zip(one.arrays(0), one.arrays(0), strict=True):
            np.testing.assert_array_equal(a, b)
    assert len({one.name for one in LAYERS}) == len(LAYERS)


def test_slow_layers_are_named():
    def row(case, what, speed):
        spread = Spread(1.0, 1.0, 1.0)
        return Row("layers", case, f"layers.{what}", seconds=spread, against={"torch": Rival.of(spread, speed)})

    rows = [
        row(case, what, speed) for case, speed in (("a", 0.25), ("b", 0.5), ("c", 1.0)) for what in ("forward", "train")
    ]
    assert list(layers._slow(rows)) == [
        "above 2.5 times PyTorch's time: a 4.00", "above 1.3 times PyTorch's time: b 2.00",
    ]  # fmt: skip
    assert [pair.case for pair in layered(rows)] == ["a", "b", "c"]
