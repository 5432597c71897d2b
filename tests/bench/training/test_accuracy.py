"""The comparison of whole trainings: what is refused, its rows, its verdict, and PyTorch's loop against ours."""

import json
import sys
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from bench import __main__ as suites
from bench.output import report, results, schema
from bench.training import accuracy
from gpunn import optim
from gpunn.nn import Parameter
from gpunn.recipes.building import make_optimizer, make_schedule
from gpunn.recipes.recipe import Recipe


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """A cache folder for all tests here: the digits in it take seconds to draw."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def here(tmp_path, drawn, monkeypatch):
    """An empty folder, generated digits, no pins: the program would start itself anew without them."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(drawn))
    for name in accuracy.machine.PINS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(accuracy.machine, "hold_threads", lambda count: None)  # the tests after this one want theirs
    return tmp_path


def config(**changes):
    return Recipe(**{"model": "lenet5", "data": "digits", "epochs": 3, **changes})


def side(share, seconds=(2.0, 3.0, 4.0)):
    return accuracy.Training(share, 0.1, 600, list(seconds))


def rows(*pairs):
    return [
        accuracy.row(config(), seed, {"ours": side(a), "torch": side(b, (1.0, 2.0, 3.0))})
        for seed, (a, b) in enumerate(pairs)
    ]


def document(found):
    head = {"schema": schema.SCHEMA, "suite": "accuracy", "device": "cpu", "date": "2026-01-02T03:04:05+00:00"}
    return {**head, "commit": "abc", "seed": 0, "numpy": "2.1", "threads": 2, "rows": found}


def written(found):
    return document([row.json() for row in found])


def test_rows_follow_the_schema():
    found = rows((0.75, 0.76))
    assert schema.complaints(written(found)) == []
    assert found[0].json()["seconds"] == {"median": 3.0, "p10": 2.2, "p90": pytest.approx(3.8), "repeats": 3}
    assert found[0].images_per_second == 200
    assert found[0].train_seconds == 9 and found[0].against["torch"].train_seconds == 6
    assert found[0].against["torch"].speed == pytest.approx(2 / 3)


def test_means_are_judged_not_single_seeds(capsys):
    assert accuracy.verdict(rows((0.75, 0.76), (0.77, 0.76)), 0.5) == 0
    assert "mean 76.00%, PyTorch's 76.00%: 0.00 points apart, within 0.5" in capsys.readouterr().out
    assert accuracy.verdict(rows((0.75, 0.76), (0.76, 0.76)), 0.4) == 1
    assert "mean 75.50%, PyTorch's 76.00%: 0.50 points apart, MORE THAN 0.4" in capsys.readouterr().out


def test_a_run_of_ours_alone_has_no_points(capsys):
    alone = [accuracy.row(config(), 0, {"ours": side(0.5)})]
    assert accuracy.points(alone) is None
    assert accuracy.verdict(alone, 0.5) == 0
    assert capsys.readouterr().out == "training took 9.00 s, the mean of 1\nmean 50.00%\n"
    assert schema.complaints(written(alone)) == []
    assert "| lenet5 | digits, 3 epochs, batch 64 | 0 | 50.00% | - | - | 200 | - |" in report.markdown(document(alone))


def test_the_report_has_both_sides():
    found = document(rows((0.75, 0.76)))
    assert "| 0 | 75.00% | 76.00% | -1.00 | 200 | 300 |" in report.markdown(found)
    html = report.html({"a": found}, plots=False)
    assert "test accuracy, %" in html and ">76.00<" in html and ">3.0<" in html
    assert "median, us" not in html  # of an epoch


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["lenet5", "--seed", "3"], "--seed is of one run; leave it away"),
        (["lenet5", "--out", "x"], "--out is of one run"),
        (["lenet6"], "unknown model 'lenet6'; did you mean 'lenet5'"),
        (["vgg11", "--data", "digits"], "PyTorch's side has no vgg11; choose from mlp, lenet5"),
        (["--recipe", "mnist_augmented", "--data", "digits"], "has no ema = 0.999; leave it at 0.0, or give"),
        (
            ["lenet5", "--data", "digits", "--model-option", "partial=true"],
            "has no model_options = {'partial': True}; leave it at None, or give --ours-alone",
        ),
        (["lenet5", "--data", "digits", "--device", "emulator"], "PyTorch has no emulator"),
    ],
)
def test_what_cannot_be_compared_is_refused(here, capsys, arguments, words):
    pytest.importorskip("torch", reason="PyTorch is not installed")
    assert suites.main(["accuracy", *arguments]) == 2
    assert words in capsys.readouterr().err


def test_other_classes_than_the_twins_are_refused():
    pytest.importorskip("torch", reason="PyTorch is not installed")
    from bench.training import torch_training

    recipe = SimpleNamespace(**vars(config(data="folder:x")), device="cpu", classes=("ant", "bee"))
    with pytest.raises(accuracy.UsageError, match="folder:x has 2 classes, but PyTorch's lenet5 has 10; take other"):
        torch_training.check(recipe)


@pytest.mark.parametrize("options", [["--threads", "0"], ["--seeds", "-1"]])
def test_counts_that_are_none(here, capsys, options):
    with pytest.raises(SystemExit):
        suites.main(["accuracy", "lenet5", *options])
    assert "is no whole number of at least" in capsys.readouterr().err


def test_two_trainings_end_alike(here):
    """From equal weights on equal batches: 24 updates without dropout leave both sides at the same place."""
    pytest.importorskip("torch", reason="PyTorch is not installed")
    recipe = ["lenet5", "--data", "digits", "--limit", "1600", "--epochs", "2", "--batch-size", "128"]
    assert suites.main(["accuracy", *recipe, "--seeds", "3", "--threads", "1", "--json", "a.json"]) == 0
    [row] = results.load("a.json")["rows"]
    assert row.variant == "seed 3"
    assert row.train_loss == pytest.approx(row.against["torch"].train_loss, rel=1e-3)
    assert row.test_accuracy == pytest.approx(row.against["torch"].test_accuracy, abs=0.01)
    assert row.test_accuracy > 0.3
    assert json.loads((here / "a.json").read_text())["recipe"]["limit"] == 1600


def test_an_image_left_over_counts_on_neither_side(here):
    """Of 121 training images the last one would be a batch of its own, and is left out."""
    pytest.importorskip("torch", reason="PyTorch is not installed")
    recipe = ["lenet5", "--data", "digits", "--limit", "132", "--epochs", "1", "--batch-size", "60"]
    suites.main(["accuracy", *recipe, "--seeds", "0", "--threads", "1", "--json", "a.json"])
    [row] = results.load("a.json")["rows"]
    assert row.train_loss == pytest.approx(row.against["torch"].train_loss, rel=1e-4)


def test_epochs_of_a_run_that_ended_early_are_counted():
    found = accuracy.row(config(), 0, {"ours": side(0.5, (2.0, 3.0))})
    assert found.seconds.repeats == 2


@pytest.mark.parametrize("schedule", ["constant", "linear", "cosine", "steps", "one_cycle"])
@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_both_sides_have_the_same_rates(schedule, optimizer):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    from bench.training import torch_training

    recipe: Any = config(optimizer=optimizer, lr=0.1, nesterov=True, epochs=5, schedule=schedule)
    theirs = torch_training.make_optimizer(recipe, torch.nn.Linear(2, 3))
    ours = make_optimizer(recipe, [Parameter(np.zeros(3, np.float32))])
    stepping, by_update = torch_training.make_schedule(recipe, theirs, 4)
    own = make_schedule(ours, recipe, 4)
    assert by_update == isinstance(own, optim.OneCycleLR)
    for _ in range(20 if by_update else 5):
        for key in ("lr", "weight_decay"):
            assert ours.param_groups[0][key] == pytest.approx(theirs.param_groups[0][key], rel=1e-6)
        theirs.step()
        stepping.step()
        if own is not None:
            own.step()


def test_without_pytorch_the_remedy_is_named(monkeypatch):
    monkeypatch.delattr("bench.training.torch_training", raising=False)
    monkeypatch.setitem(sys.modules, "bench.training.torch_training", None)
    recipe = config()
    with pytest.raises(accuracy.UsageError, match="pip install torch, or give --ours-alone"):
        accuracy._torch(recipe)
