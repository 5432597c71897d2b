"""The CPU benchmark's parts: what it compares, how it sums up, what it prints; no time is asserted."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from bench import __main__ as suites
from bench import clocks
from bench.rows import Spread
from bench.training import cpu, networks

ROOT = Path(__file__).parents[3]


def row(name, ours, theirs, spread=1.1):
    sides = {
        side: {"median": t, "p10": t, "p90": t * spread, "images_per_second": 1 / t, "peak_bytes": 1e6}
        for side, t in (("ours", ours), ("torch", theirs))
    }
    ratio = ours / theirs
    return {"network": name, "batch": [1, 2, 3], "ratio": ratio, "ratio_of_best": ratio, "memory_ratio": 1.0, **sides}


def test_the_summary_is_the_geometric_mean():
    rows = [row("a", 2, 1), row("b", 8, 1)]
    means = cpu._means(rows)
    assert means["geometric_mean_ratio"] == pytest.approx(4)
    assert means["worst_ratio"] == 8
    assert "geometric mean of the ratios 4.00, worst 8.00; of the best times 4.00" in cpu._summary(rows)
    assert "NOT QUIET" not in cpu._summary(rows)


def test_a_busy_machine_is_named():
    rows = [row("a", 2, 1), row("b", 8, 1, spread=3)]
    assert "NOT QUIET: b: some steps took over 1.6 times as long as others" in cpu._summary(rows)


@pytest.mark.parametrize(
    ("losses", "agree"),
    [
        ([[2.3, 2.2], [2.3001, 2.2001]], True),
        ([[2.3, 2.2], [2.3, 2.21]], False),
        ([[2.3, float("nan")], [2.3, float("nan")]], False),
        ([[2.3, 2.2]], True),
    ],
)
def test_losses_are_compared(losses, agree):
    assert (not any(networks.differ(side, losses[0]) for side in losses)) is agree


def test_the_steps_take_turns_and_change_places():
    order = []
    steps = [lambda: order.append("a") or 0.0, lambda: order.append("b") or 0.0]
    samples = clocks.by_turns(steps, clocks.Clock(), repeats=3, budget=9)
    assert "".join(order) == "aabb" + "ba" + "ab" + "ba"
    assert [len(one.device) for one in samples] == [3, 3]


def test_after_the_budget_five_pairs_are_enough():
    (sample,) = clocks.by_turns([lambda: 0.0], clocks.Clock(), repeats=50, budget=0)
    assert len(sample.device) == 5


def test_spread():
    spread = Spread.of([float(i) for i in range(11)])
    assert (spread.p10, spread.median, spread.p90) == (1, 5, 9)
    assert Spread.of([3.0]) == Spread(3.0, 3.0, 3.0)


def test_the_default_networks_are_the_table():
    assert cpu._arguments([]).networks == list(networks.NETWORKS)


@pytest.mark.parametrize("arguments", [["--repeats", "0"], ["--threads", "0"], ["--networks", "vgg"]])
def test_bad_arguments_are_refused(arguments, capsys):
    with pytest.raises(SystemExit) as stop:
        cpu._arguments(arguments)
    assert stop.value.code == 2
    assert "error" in capsys.readouterr().err


def test_an_unknown_suite_is_named(capsys):
    assert suites.main(["gppu"]) == 2
    out = capsys.readouterr()
    assert "there is no suite 'gppu'" in out.err
    assert "cpu" in out.out


@pytest.mark.parametrize("name", ["lenet5", "alexnet_lite", "resnet20"])
def test_torch_counterparts_give_the_same_losses(name):
    pytest.importorskip("torch", reason="PyTorch is not installed: pip install torch", exc_type=ImportError)
    full = networks.NETWORKS[name]
    network = networks.Network(name, (4, *full.batch[1:]))
    model = networks.our_model(network, 0)
    theirs = networks.torch_step(network, networks.torch_model(network, model.state_dict()), 0)
    ours = networks.our_step(network, model, 0)
    losses = [networks.losses_of(step, 3) for step in (ours, theirs)]
    np.testing.assert_allclose(*losses, rtol=1e-3)


def test_one_short_run_writes_its_figures(tmp_path):
    file = tmp_path / "new" / "figures.json"
    command = [sys.executable, "-m", "bench", "cpu", "--networks", "lenet5", "--repeats", "1", "--no-memory"]
    done = subprocess.run(
        [*command, "--threads", "1", "--json", str(file)],
        capture_output=True, text=True, timeout=120, check=False, cwd=ROOT, env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    figures = json.loads(file.read_text())
    assert figures["threads"] == 1
    assert figures["networks"][0]["ours"]["median"] > 0
    assert "lenet5" in done.stdout
