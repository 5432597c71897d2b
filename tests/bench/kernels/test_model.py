"""The model of an H200 beside measured rows, and the fit of its constants."""

from dataclasses import replace
from pathlib import Path

import pytest

from bench.kernels import model
from bench.output import results
from bench.rows import Spread
from gpunn.cuda.variants import OPERATIONS
from gpunn.errors import UsageError
from gpunn.verify import occupancy

FILE = Path(__file__).parents[3] / "bench" / "results" / "conv2d-cuda-h200-2026-11-26.json"


def test_a_fit_finds_the_constants_that_made_the_times(tmp_path, capsys):
    run = results.load(FILE)
    run["rows"] = [row for row in run["rows"] if row.variant == "tiled64" and row.status == "ok"][:6]
    with model.constants(WARPS=2.25, EDGE=4):
        for row in run["rows"]:
            (one,) = model.of_row(row)
            seconds = one.predict()
            row.seconds = Spread(seconds, seconds, seconds, 9)
    results.save(run, tmp_path / "a.json")
    assert model.main([str(tmp_path / "a.json")]) == 0
    out = capsys.readouterr().out
    assert "fit is WARPS 2.25, EDGE 4: 0% off in the root mean square of 6 rows" in out
    assert "in use: PEAK 55.6e12, COPY 4.23e12, WARPS 1.5, EDGE 2: " in out
    assert (occupancy.WARPS, occupancy.EDGE) == (1.5, 2)


def test_rows_of_steps_have_their_prediction(capsys, tmp_path):
    run = results.load(FILE)
    row = next(row for row in run["rows"] if row.status == "ok")
    row.suite, row.predicted_seconds = "kernels", row.seconds.median / 2
    run["suite"], run["rows"] = "kernels", [row]
    results.save(run, tmp_path / "a.json")
    assert model.main([str(tmp_path / "a.json")]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[1].split()[-4:] == ["1", "0.50", "0.50", "0.50"] and "nothing to fit to" in out[2]


def test_every_row_of_the_suite_can_be_asked():
    """Also those of passes, variants and cases that the model does not know."""
    run = results.load(FILE)
    first = next(row for row in run["rows"] if row.status == "ok")
    for operation in ("conv2d.forward", "conv2d.grad_input", "conv2d.grad_weight", "conv2d.grad_bias"):
        for variant in OPERATIONS[operation].variants:
            for case in ("resnet50 stage2 3x3", "resnet50 stem", "mobilenet depthwise", "no case"):
                row = replace(first, operation=operation, variant=variant.name, case=case)
                assert all(one.ratio > 0 for one in model.of_row(row))


def test_other_files_are_refused():
    other = FILE.parent / "optim-cuda-h200-2026-11-26.json"
    with pytest.raises(UsageError, match="model: no row of these files is of a kernel that it knows; measure conv2d"):
        model.main([str(other)])
