"""Kernels of a step beside their roofs, on the look-alike of CuPy: what is counted, ranked, kept and shown."""

import types

import pytest

from bench.__main__ import main
from bench.kernels.roofline import Roof
from bench.measure import Plan
from bench.output import lost, report, results
from bench.training import kernels, profiled
from gpunn.errors import UsageError
from tests.bench.runs import head, spread

ARGS = {"seed": 0, "repeats": 1, "budget": 0, "device": "cuda", "cases": "lenet5", "precision": "fp32", "batch": 2}


def test_each_call_of_a_step_is_timed_ranked_kept_and_profiled(look_alike, tmp_path, capsys, monkeypatch):
    plan = Plan(types.SimpleNamespace(**ARGS), "cuda")
    kernels.choose(plan)
    assert plan.precisions == ["fp32", "tf32"]
    plan.roof = Roof(1e12, {"fp32": 1e13, "tf32": 1e14})
    rows = list(kernels.rows(plan))
    assert all(row.status == "ok" and row.calls and row.seconds for row in rows)
    assert {"conv2d.grad_weight", "linear.backward", "loss.cross_entropy_forward"} <= {row.operation for row in rows}
    first = next(row for row in rows if row.operation == "linear.forward")
    assert (first.calls, first.shape) == (1, "1 a step of batch 2x1x28x28")
    assert first.flops == 2 * 2 * 400 * 120 and first.bytes == 4 * (2 * 400 + 400 * 120 + 2 * 120)
    floor = max(first.flops / 1e13, first.bytes / 1e12)
    assert first.lost_seconds == pytest.approx(first.calls * (first.seconds.median - floor))
    assert first.predicted_seconds and first.predicted_seconds < 1e-4
    shown_and_kept(rows, tmp_path / "kernels.json")
    profiled_alone(rows, tmp_path / "kernels.json", look_alike, capsys, monkeypatch)


def shown_and_kept(made, file):
    """Those that lose most come first in words and READMEs."""
    (said,) = [line for line in lost.lines(made) if line.strip().startswith("lenet5 fp32: kernels take")]
    assert "over their roofs" in said
    most = lost.most(made)
    assert len(most) == lost.FEW and most[0].lost_seconds == max(row.lost_seconds for row in made)
    run = {**head("cuda"), "suite": "kernels", "rows": made}
    results.save(run, file)
    again = results.load(file)
    assert again["rows"] == made
    table = report.markdown(again).splitlines()
    assert table[0].startswith("| network and problem | operation |") and len(table) == 2 + lost.FEW + 2
    assert most[0].case in table[2]


def profiled_alone(made, file, look_alike, capsys, monkeypatch):
    """The worst are called between the profiler's start and stop."""
    log = []
    for name in ("profilerStart", "profilerStop"):
        monkeypatch.setattr(look_alike.cuda.runtime, name, lambda name=name: log.append(name), raising=False)
    assert profiled.main([str(file)]) == 0
    out = capsys.readouterr().out.splitlines()
    most = lost.most(made)
    assert out == [f"{row.operation} {row.variant} fp32: {row.case}" for row in most]
    assert log == ["profilerStart", "profilerStop"] * lost.FEW


def test_refusals(capsys, tmp_path):
    assert main(["kernels", "--device", "cpu"]) == 2
    assert "kernels: on cpu no kernel's time says anything of a card; choose --device cuda" in capsys.readouterr().err
    results.save({**head("cuda"), "rows": []}, tmp_path / "a.json")
    with pytest.raises(UsageError, match="profile: the file has no kernel that loses time; write one with"):
        profiled.main([str(tmp_path / "a.json")])


def test_a_suite_that_ends_by_an_error_keeps_its_rows(tmp_path, monkeypatch, capsys):
    from bench.training import optimisers

    real = optimisers.rows

    def cut(plan):
        yield next(real(plan))
        raise UsageError("the rest cannot be measured")

    monkeypatch.setattr(optimisers, "rows", cut)
    file = tmp_path / "a.json"
    options = ["--device", "cpu", "--cases", "lenet5", "--repeats", "1", "--against", "none", "--json", str(file)]
    assert main(["optim", *options]) == 2
    said = capsys.readouterr().err
    assert "interrupted after 1 rows" in said and "bench: error: the rest cannot be measured" in said
    found = results.load(file)
    assert found["interrupted"] and len(found["rows"]) == 1


def test_steps_have_a_table_of_their_own_in_a_readme():
    theirs = {"median": 2e-3, "p10": 2e-3, "p90": 2e-3, "speed": 2.0}
    rows = [
        {"suite": "step", "case": "lenet5", "operation": "step.train", "variant": variant, "precision": "tf32",
         "shape": "batch 64x1x28x28", "status": "ok", "seconds": spread(seconds), "against": {"torch": theirs}}
        for variant, seconds in (("eager", 3e-3), ("captured", 1e-3))
    ]  # fmt: skip
    run = results.parse({**head("cuda"), "suite": "step", "gpu": "NVIDIA H200", "rows": rows})
    text, said = report.fill("<!-- bench:step-cuda-h200 -->\nnot yet\n<!-- /bench:step-cuda-h200 -->\n",
                             {"step-cuda-h200": run}, "README.md")  # fmt: skip
    assert text.splitlines()[1:4] == [
        "| training step | batch | precision | best variant | ms | PyTorch, ms | ours / it |",
        "|---|---|---|---|---|---|---|",
        "| lenet5 | 64x1x28x28 | tf32 | captured | 1.00 | 2.00 | 0.50 |",
    ]
    assert "NVIDIA H200" in text and "wrote the table of step-cuda-h200" in said[0]
