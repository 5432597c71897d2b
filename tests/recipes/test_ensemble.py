"""`gpunn train NAME --ensemble N`: members, votes and averages, resuming, and what evaluates them."""

from __future__ import annotations

import json
import re
import signal

import numpy as np
import pytest

from gpunn import train
from gpunn.cli import main
from gpunn.recipes.ensemble import Opinions

TRAIN = ["train", "mlp", "--batch-size", "20", "--epochs", "2", "--ensemble", "3"]


def weights(folder):
    return train.load_checkpoint(folder / "best.npz")["model"]


def same(a, b):
    return all(np.array_equal(a[key], b[key]) for key in a)


def test_an_ensemble_is_runs_of_seeds_one_apart(here, capsys):
    assert main([*TRAIN, "--seed", "7", "--out", "runs/a"]) == 0
    out, _ = capsys.readouterr()
    assert "run folder:    runs/a (member-1 to member-3, recipe.toml)" in out
    assert re.search(r"members: +([\d.]+%, ){2}[\d.]+%; mean [\d.]+%", out)
    assert re.search(r"test accuracy: [\d.]+% by averaged probabilities, [\d.]+% by votes, of 40 test images\n", out)
    assert main(["train", "mlp", "--batch-size", "20", "--epochs", "2", "--seed", "8", "--out", "alone"]) == 0
    assert same(weights(here / "alone"), weights(here / "runs/a/member-2"))
    assert not same(weights(here / "runs/a/member-1"), weights(here / "runs/a/member-2"))

    capsys.readouterr()
    assert main(["evaluate"]) == 0
    assert out.splitlines()[1:] == capsys.readouterr().out.splitlines()[1:]
    assert main(["evaluate", "runs/a/member-1", "--flips"]) == 0
    assert "mirror images averaged" in capsys.readouterr().out


def test_the_average_is_that_of_the_members(here, capsys):
    """The printed accuracies, computed once more from the members' weights."""
    from gpunn import data, models, ops
    from tests.tiny_runs import tiny_dataset

    main([*TRAIN, "--epochs", "1", "--out", "runs/a"])
    out = capsys.readouterr().out
    dataset = tiny_dataset()
    x = data.normalise(dataset.test, dataset.mean, dataset.std)
    shares = []
    for number in (1, 2, 3):
        model = models.create("mlp", 10, 1)
        train.load_weights(here / f"runs/a/member-{number}/best.npz", model)
        shares.append(ops.softmax(train.predict(model, x), 1))
    average = (np.mean(shares, axis=0).argmax(1) == dataset.test_labels).mean()
    assert f"test accuracy: {average:.2%} by averaged" in out
    for share in shares:
        assert f"{(share.argmax(1) == dataset.test_labels).mean():.2%}" in out


def test_a_recipe_with_bagging_runs_again(here):
    (here / "my.toml").write_text('model = "mlp"\nepochs = 1\nensemble = 2\nbagging = true\nbatch_size = 20\n')
    assert main(["train", "--recipe", "my.toml", "--out", "a"]) == 0
    assert main(["train", "--recipe", "a/recipe.toml", "--out", "b"]) == 0
    assert main(["train", "--recipe", "a/member-2/recipe.toml", "--out", "c"]) == 0
    assert main(["train", "mlp", "--epochs", "1", "--batch-size", "20", "--out", "plain"]) == 0
    assert all(same(weights(here / "a" / m), weights(here / "b" / m)) for m in ("member-1", "member-2"))
    assert same(weights(here / "a/member-2"), weights(here / "c"))
    assert not same(weights(here / "a/member-1"), weights(here / "plain"))


def test_ctrl_c_and_resume(here, capsys, monkeypatch):
    assert main([*TRAIN, "--out", "whole"]) == 0
    original = train.ProgressBar.on_batch_end

    def press(self, trainer):
        original(self, trainer)
        if trainer.steps == 14 and trainer.seed == 1:  # within the second member
            signal.raise_signal(signal.SIGINT)

    with monkeypatch.context() as patched:
        patched.setattr(train.ProgressBar, "on_batch_end", press)
        assert main([*TRAIN, "--out", "cut"]) == 130
    assert "go on with: gpunn train --resume cut\n" in capsys.readouterr().err
    assert not (here / "cut/member-3").exists()
    assert main(["train", "--resume", "cut"]) == 0
    for number in (1, 2, 3):
        assert same(weights(here / f"whole/member-{number}"), weights(here / f"cut/member-{number}"))
    assert json.loads((here / "cut/config.json").read_text())["ensemble"] == 3


def test_predict_with_an_ensemble(here, capsys):
    image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    from tests.tiny_runs import tiny_dataset

    main([*TRAIN, "--epochs", "4", "--out", "runs/a"])
    image.fromarray(tiny_dataset().test[3, 0]).save("3.png")
    capsys.readouterr()
    assert main(["predict", "3.png"]) == 0
    assert capsys.readouterr().out.startswith("3.png: 3 (")


def test_mistakes(here, capsys):
    main([*TRAIN, "--epochs", "1", "--out", "a"])
    (here / "a/member-2/best.npz").unlink()
    (here / "a/member-3/best.npz").unlink()
    capsys.readouterr()
    lacking = "a lacks the weights of member-2, member-3; train them with: gpunn train --resume a"
    for command, words in [
        ("train mlp --out a", "a already holds a run; go on with --resume a, or choose another --out"),
        ("evaluate a", lacking),
        ("report a", lacking),
    ]:
        assert main(command.split()) == 2
        assert words in capsys.readouterr().err


def test_votes_and_averages_are_two_things():
    """Of the first image two doubtful networks are right, of the second all: the sure third one outweighs them."""
    doubtful, sure = np.log([[0.4, 0.6], [0.9, 0.1]]), np.log([[0.99, 0.01], [0.9, 0.1]])
    found = Opinions([doubtful, doubtful, sure], np.array([1, 0]))
    assert found.alone() == [1, 1, 0.5] and found.by_votes() == 1 and found.by_average() == 0.5
    np.testing.assert_allclose(np.exp(found.averaged()), [[1.79 / 3, 1.21 / 3], [0.9, 0.1]])


def test_probabilities_too_small_for_a_number_are_averaged():
    """exp(-800) is 0 in float64: its logarithm would be a warning, and an infinity."""
    sure = np.array([[0.0, -800.0, -900.0]])
    averaged = Opinions([sure, sure], np.array([1])).averaged()
    np.testing.assert_allclose(averaged, sure)


def test_a_network_without_finite_scores_is_named(here, capsys):
    main([*TRAIN, "--epochs", "1", "--out", "a"])
    state = train.load_checkpoint(here / "a/member-2/best.npz")
    for name, value in state["model"].items():
        value *= 1e30 if name in ("3.weight", "5.weight") else 1
    train.save_checkpoint(here / "a/member-2/best.npz", state)
    capsys.readouterr()
    for command in ("evaluate a", "report a"):
        if command.startswith("report"):
            pytest.importorskip("matplotlib", reason="a report needs matplotlib")
        assert main(command.split()) == 2
        out, err = capsys.readouterr()
        assert out == "" and err.count("\n") == 1
        assert "network 2 of 3 gives scores that are not finite for 40 of 40 test images; train it again" in err
    assert main(["report", "a/member-2"]) == 2
    assert "the network gives scores that are not finite" in capsys.readouterr().err
