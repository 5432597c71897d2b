"""Recipes: read, checked, recorded, and run again to the same weights."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from gpunn import models, train
from gpunn.cli import main
from gpunn.recipes import building
from gpunn.recipes.recipe import RECIPES, SHIPPED, Recipe, read_recipe, shipped
from tests.thinned import one_in
from tests.tiny_runs import tiny_dataset

EVERYTHING = """
model = "lenet5"
epochs = 3
batch_size = 20
lr = 0.05
nesterov = true
schedule = "one_cycle"
label_smoothing = 0.1
ema = 0.9
accumulate = 3
grad_clip = 1.0
patience = 9
rotate = 5
zoom = 0.05
cutout = 3
mixup = 0.2
flip = true
test_flips = true
bagging = true
seed = 4
"""


def weights(folder, name="last.npz"):
    return train.load_checkpoint(folder / name)["model"]


def same(a, b):
    return all(np.array_equal(a[key], b[key]) for key in a)


def config_of(folder):
    return json.loads((folder / "config.json").read_text())


@pytest.mark.parametrize("text", ['model = "mlp"\nepochs = 2\n', EVERYTHING], ids=["short", "everything"])
def test_the_recorded_recipe_is_the_same_run(here, capsys, text):
    (here / "my.toml").write_text(text)
    assert main(["train", "--recipe", "my.toml", "--out", "runs/a"]) == 0
    assert main(["train", "--recipe", "runs/a/recipe.toml", "--out", "runs/b"]) == 0
    assert main(["train", "--recipe", "runs/a", "--out", "runs/c", "--seed", "5"]) == 0
    a, b, c = (weights(here / "runs" / name) for name in "abc")
    assert same(a, b) and not same(a, c)
    assert timeless(here / "runs/a") == timeless(here / "runs/b")
    assert (here / "runs/a/recipe.toml").read_text() == (here / "runs/b/recipe.toml").read_text()
    assert ("mirror images averaged" in capsys.readouterr().out) == ("test_flips" in text)
    assert main(["evaluate", "runs/a"]) == 0
    assert ("mirror images averaged" in capsys.readouterr().out) == ("test_flips" in text)


@pytest.mark.parametrize("steps", [2, 11, 14])
def test_a_run_with_everything_resumes_bitwise(here, monkeypatch, steps):
    from tests.train.test_resume import press_ctrl_c

    (here / "my.toml").write_text(EVERYTHING)
    assert main(["train", "--recipe", "my.toml", "--out", "whole"]) == 0
    original = train.ProgressBar.on_batch_end

    def press(self, trainer):
        original(self, trainer)
        if trainer.steps == steps:
            press_ctrl_c()

    with monkeypatch.context() as patched:
        patched.setattr(train.ProgressBar, "on_batch_end", press)
        assert main(["train", "--recipe", "my.toml", "--out", "cut"]) == 130
    assert main(["train", "--resume", "cut"]) == 0
    assert same(weights(here / "whole"), weights(here / "cut"))
    assert same(weights(here / "whole", "best.npz"), weights(here / "cut", "best.npz"))
    assert timeless(here / "whole") == timeless(here / "cut")
    for name in ("gradients.csv", "recipe.toml"):
        assert (here / "whole" / name).read_text() == (here / "cut" / name).read_text()


@pytest.mark.parametrize(("optimizer", "decay"), [("sgd", 5e-4), ("adamw", 0.01), ("adam", 0.0), ("rmsprop", 0.0)])
def test_the_recipe_holds_every_key_that_was_used(here, monkeypatch, optimizer, decay):
    """What the optimiser's usual is may change; the run from before stays the same run."""
    assert main(["train", "mlp", "--optimizer", optimizer, "--epochs", "1", "--out", "a"]) == 0
    recorded = read_recipe(here / "a/recipe.toml")
    nothing = {"limit", "grad_clip", "schedule_epochs", "model_options", "class_weights"}
    assert recorded.keys() == {f.name for f in fields(Recipe)} - nothing
    assert recorded["weight_decay"] == decay and recorded["momentum"] == 0.9
    monkeypatch.setattr(building, "WEIGHT_DECAY", {"sgd": 0.5, "adamw": 0.5, "adam": 0.5, "rmsprop": 0.5})
    assert main(["train", "--recipe", "a", "--out", "b"]) == 0
    assert same(weights(here / "a"), weights(here / "b"))


def test_a_recipe_names_the_device_of_its_run(tmp_path):
    Recipe(model="mlp").write_recipe(tmp_path, "cuda:1")
    first = (tmp_path / "recipe.toml").read_text().splitlines()[0]
    assert first == "# This run again: gpunn train --recipe <this file> --device cuda:1"


STEPS, CYCLE, ADAM = 'schedule = "steps"\n', 'schedule = "one_cycle"\n', 'optimizer = "adam"\n'
# Key: a value that makes another run, and what the recipe has beside it.
CHANGES = {
    "class_weights": ("[2.0, 1, 1, 1, 1, 1, 1, 1, 1, 1]", ""),
    **{"epochs": ("3", ""), "batch_size": ("30", ""), "precision": ('"fp64"', ""), "seed": ("1", "")},
    **{"optimizer": ('"adam"', ""), "lr": ("0.01", ""), "momentum": ("0.5", ""), "nesterov": ("true", "")},
    **{"weight_decay": ("0.01", ADAM), "accumulate": ("2", ""), "grad_clip": ("0.1", "")},
    **{"schedule": ('"cosine"', ""), "schedule_epochs": ("4", ""), "last": ("0.5", ""), "gamma": ("0.3", STEPS)},
    **{"milestones": ("[0.9]", STEPS), "rise": ("0.6", CYCLE), "label_smoothing": ("0.1", ""), "ema": ("0.5", "")},
    **{"shift": ("2", ""), "flip": ("true", ""), "rotate": ("9", ""), "zoom": ("0.1", ""), "cutout": ("4", "")},
    **{"mixup": ("0.3", ""), "bagging": ("true", ""), "model_options": ("{ hidden = [500, 151] }", "")},
}
# Tested elsewhere: what is trained on, what is done with the weights, how many there are.
ELSEWHERE = {"model", "data", "limit", "patience", "test_flips", "ensemble", "loss"}


def test_every_key_makes_another_run(here):
    assert CHANGES.keys() | ELSEWHERE == {f.name for f in fields(Recipe)}
    base = 'model = "mlp"\nbatch_size = 40\nepochs = 2\n'

    def trained(name, text):
        (here / "my.toml").write_text(text)
        assert main(["train", "--recipe", "my.toml", "--out", name]) == 0
        return weights(here / name)

    plain = {beside: trained(f"plain{i}", base + beside) for i, beside in enumerate(("", STEPS, CYCLE, ADAM))}
    for key, (value, beside) in CHANGES.items():
        kept = "".join(line + "\n" for line in (base + beside).splitlines() if not line.startswith(f"{key} ="))
        assert not same(trained(key, f"{kept}{key} = {value}\n"), plain[beside]), key


def test_data_and_limit_reach_the_loader_and_the_record(here, monkeypatch):
    asked = []

    def load(name, limit=None):
        asked.append((name, limit))
        return replace(tiny_dataset(), name=name)

    monkeypatch.setattr("gpunn.data.load", load)
    (here / "my.toml").write_text('model = "mlp"\ndata = "digits"\nlimit = 99\nepochs = 1\n')
    assert main(["train", "--recipe", "my.toml", "--out", "a"]) == 0
    assert main(["train", "--recipe", "a", "--out", "b"]) == 0
    assert main(["train", "--recipe", "a", "--limit", "50", "--data", "cifar10", "--out", "c"]) == 0
    assert asked == [("digits", 99), ("digits", 99), ("cifar10", 50)]


def test_patience_ends_a_run(here, capsys):
    (here / "my.toml").write_text('model = "mlp"\nlr = 3.0\nepochs = 30\npatience = 2\ngrad_clip = 0.5\n')
    assert main(["train", "--recipe", "my.toml", "--out", "a"]) == 0
    assert "stopped:       val_loss has not improved for 2 epochs; best" in capsys.readouterr().out
    losses = [float(row[3]) for row in timeless(here / "a")[1:]]
    assert len(losses) < 30 and len(losses) - 1 - int(np.argmin(losses)) == 2
    assert main(["train", "--resume", "a"]) == 0  # has nothing left to do
    assert len(timeless(here / "a")) == len(losses) + 1


def timeless(folder):
    return [line.split(",")[:6] for line in (folder / "history.csv").read_text().splitlines()]


@pytest.mark.parametrize("schedule", one_in(2, ["linear", "cosine", "steps", "one_cycle"]))
def test_a_prolonged_run_keeps_its_last_rate_and_its_recipe_says_how(here, schedule):
    """Three epochs and two more: their recipe is not that of five, whose rates are others."""
    (here / "my.toml").write_text(f'model = "mlp"\nbatch_size = 20\nema = 0.9\nschedule = "{schedule}"\n')
    assert main(["train", "--recipe", "my.toml", "--epochs", "3", "--out", "a"]) == 0
    assert main(["train", "--resume", "a", "--epochs", "4"]) == 0
    assert main(["train", "--resume", "a", "--epochs", "5"]) == 0
    assert main(["train", "--recipe", "a", "--out", "b"]) == 0
    assert same(weights(here / "a"), weights(here / "b"))
    assert timeless(here / "a") == timeless(here / "b") and len(timeless(here / "a")) == 6
    rates = [row[5] for row in timeless(here / "a")[3:]]
    assert rates == [rates[0]] * 3
    assert read_recipe(here / "a/recipe.toml")["schedule_epochs"] == 3


def test_a_run_is_not_shortened_below_what_it_has_done(here, capsys):
    for options in ([], ["--ensemble", "2"]):
        out = f"a{len(options)}"
        assert main(["train", "mlp", *options, "--epochs", "3", "--out", out]) == 0
        recorded = (here / out / "recipe.toml").read_text()
        capsys.readouterr()
        assert main(["train", "--resume", out, "--epochs", "2"]) == 2
        assert f"train: --epochs 2 is fewer than the 3 that the run in {out} has done" in capsys.readouterr().err
        assert (here / out / "recipe.toml").read_text() == recorded


def test_options_come_before_the_file_and_that_before_the_network_s_own(here):
    (here / "my.toml").write_text("batch_size = 30\nepochs = 9\nmomentum = 0.5\n")
    assert main(["train", "mlp", "--recipe", "my.toml", "--epochs", "1", "--out", "a"]) == 0
    config = config_of(here / "a")
    assert (config["epochs"], config["batch_size"], config["lr"], config["momentum"]) == (1, 30, 0.05, 0.5)
    assert (config["shift"], config["flip"]) == (1, False)  # by the data, and recorded
    recorded = read_recipe(here / "a/recipe.toml")
    assert recorded["shift"] == 1 and recorded["model"] == "mlp" and "limit" not in recorded


def test_a_run_folder_of_a_recipe_s_name_is_not_the_network_s_own(here):
    """`--out lenet` would change every later run of lenet5."""
    assert main(["train", "lenet5", "--epochs", "1", "--lr", "0.7", "--out", "lenet"]) == 0
    assert main(["train", "lenet5", "--out", "a", "--epochs", "1"]) == 0
    assert config_of(here / "a")["lr"] == 0.05
    assert main(["train", "lenet5", "--recipe", "lenet", "--out", "b"]) == 0  # named, it is that run again
    assert config_of(here / "b")["lr"] == 0.7
    (here / "one_cycle").mkdir()  # holds no recipe: the shipped one is meant
    assert main(["train", "lenet5", "--recipe", "one_cycle", "--epochs", "1", "--out", "c"]) == 0
    assert config_of(here / "c")["schedule"] == "one_cycle"


def test_another_optimiser_gives_up_the_recipe_s_rate(here):
    (here / "my.toml").write_text("lr = 0.7\nweight_decay = 0.1\nepochs = 1\n")
    assert main(["train", "mlp", "--recipe", "my.toml", "--optimizer", "adam", "--out", "a"]) == 0
    assert config_of(here / "a")["lr"] == 1e-3 and config_of(here / "a")["weight_decay"] == 0.0
    (here / "my.toml").write_text('optimizer = "adamw"\nlr = 0.002\nepochs = 1\n')
    assert main(["train", "mlp", "--recipe", "my.toml", "--out", "b"]) == 0
    assert config_of(here / "b")["lr"] == 0.002


def test_shipped_recipes_are_whole_and_every_network_has_one(here):
    assert set(RECIPES) == set(models.names()) and set(RECIPES.values()) <= set(shipped())
    assert {"he_cifar", "one_cycle", "mnist_augmented"} <= set(shipped())
    for name in shipped():
        assert read_recipe(SHIPPED / f"{name}.toml").keys() >= {"epochs", "batch_size", "optimizer", "lr"}
    assert main(["train", "lenet5", "--recipe", "one_cycle", "--epochs", "2", "--out", "a"]) == 0
    assert config_of(here / "a")["schedule"] == "one_cycle"


def test_folders_of_before_recipes_load_and_resume(here):
    assert main(["train", "mlp", "--epochs", "1", "--out", "a"]) == 0
    saved = config_of(here / "a")
    recent = {f.name for f in fields(Recipe)} - {
        *("model", "data", "epochs", "batch_size", "lr", "optimizer", "precision", "seed", "limit", "shift", "flip")
    }
    old = {name: value for name, value in saved.items() if name not in recent}
    (here / "a/config.json").write_text(json.dumps(old))
    (here / "a/recipe.toml").unlink()
    assert main(["evaluate", "a"]) == 0
    assert main(["train", "--resume", "a", "--epochs", "2"]) == 0
    assert config_of(here / "a").keys() >= {f.name for f in fields(Recipe)}


def test_recipes_are_in_the_package():
    assert Path(SHIPPED).is_dir() and Path(SHIPPED).parent.name == "gpunn"
