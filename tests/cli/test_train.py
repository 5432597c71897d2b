"""`gpunn train` and what follows from its run folder."""

from __future__ import annotations

import csv
import json
import re
import signal
from pathlib import Path

import numpy as np
import pytest

from gpunn import data, models, train
from gpunn.cli import main
from gpunn.recipes.recipe import RECIPES
from tests.tiny_runs import tiny_dataset

TRAIN = ["train", "lenet5", "--batch-size", "20"]
COLUMNS = "epoch,train_loss,train_accuracy,val_loss,val_accuracy,learning_rate,seconds,images_per_second"


def weights(folder, name="last.npz"):
    return train.load_checkpoint(folder / name)["model"]


@pytest.mark.curves
def test_train_leaves_a_whole_run(here, capsys):
    pytest.importorskip("matplotlib", reason="matplotlib is not installed, so no curves.png")
    assert main([*TRAIN, "--epochs", "3"]) == 0
    out, err = capsys.readouterr()
    (folder,) = (here / "runs").iterdir()
    assert {"best.npz", "last.npz", "history.csv", "curves.png", "config.json"} <= {p.name for p in folder.iterdir()}
    with open(folder / "history.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert ",".join(rows[0]) == COLUMNS and [row["epoch"] for row in rows] == ["1", "2", "3"]
    assert float(rows[2]["learning_rate"]) == pytest.approx(0.01 * float(rows[0]["learning_rate"]))
    assert f"run folder:    runs/{folder.name}" in out
    assert "best epoch:    " in out
    assert float(re.findall(r"test accuracy: ([\d.]+)% with the best epoch's weights", out)[0]) > 80
    assert "lenet5: 61,706 parameters; mnist: 220 + 20 + 40 images" in err
    assert "fp32, seed 0, on cpu" in err


def test_evaluate_and_predict_need_no_options(here, capsys):
    image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    main([*TRAIN, "--epochs", "6", "--out", "runs/a"])
    capsys.readouterr()
    assert main(["evaluate"]) == 0
    assert "runs/a/best.npz: lenet5 on 40 test images of mnist: accuracy 100.00%, loss 0." in capsys.readouterr().out
    assert main(["evaluate", "runs/a/last.npz", "--limit", "7"]) == 0
    assert "on the first 7 of 40 test images" in capsys.readouterr().out
    dataset = tiny_dataset()
    for i in (3, 4):
        image.fromarray(dataset.test[i, 0]).save(f"{i}.png")
    assert main(["predict", "3.png", "4.png"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("3.png: 3 (") and lines[1].startswith("4.png: 4 (") and "; then " in lines[0]


def test_predict_answers_the_others_where_one_cannot_be_read(here, capsys):
    image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    main([*TRAIN, "--epochs", "1", "--out", "runs/a"])
    image.fromarray(tiny_dataset().test[3, 0]).save("3.png")
    image.new("RGB", (50, 40), (250, 240, 120)).save("blank.png")
    Path("text.png").write_text("no picture")
    capsys.readouterr()
    assert main(["predict", "text.png", "blank.png", "3.png", "gone.png", "--show"]) == 1
    out, err = capsys.readouterr()
    first, *picture = out.splitlines()
    assert first.startswith("3.png: ") and "; then " in first
    assert len(picture) == 28 and any("%%" in line for line in picture) and max(map(len, picture)) <= 56
    assert [line.split(" (")[0] for line in err.splitlines()] == [
        "gpunn: error: text.png cannot be read as a picture",
        "gpunn: error: blank.png: nothing is drawn on it; give a picture whose drawing differs from its border",
        "gpunn: error: gone.png does not exist; check the path",
    ]
    assert main(["predict", "3.png"]) == 0 and main(["predict", "gone.png"]) == 1


def test_ctrl_c_saves_and_resume_continues_to_the_same_weights(here, capsys, monkeypatch):
    assert main([*TRAIN, "--epochs", "3", "--out", "whole"]) == 0
    original = train.ProgressBar.on_batch_end

    def press(self, trainer):
        original(self, trainer)
        if trainer.steps == 16:  # within the second epoch
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(train.ProgressBar, "on_batch_end", press)
    assert main([*TRAIN, "--epochs", "3", "--out", "cut"]) == 130
    err = capsys.readouterr().err
    assert "gpunn: interrupted; saved cut/checkpoint.npz" in err
    assert "go on with: gpunn train --resume cut" in err and "Traceback" not in err
    monkeypatch.undo()
    monkeypatch.chdir(here)
    monkeypatch.setattr(data, "load", lambda name, limit=None: tiny_dataset())
    assert main(["train", "--resume", "cut"]) == 0
    whole, cut = weights(here / "whole"), weights(here / "cut")
    assert whole.keys() == cut.keys()
    assert all(np.array_equal(whole[key], cut[key]) for key in whole)


def test_resume_can_prolong_a_run(here, capsys):
    main([*TRAIN, "--epochs", "1", "--out", "a"])
    assert main(["train", "lenet5", "--resume", "a", "--epochs", "2"]) == 0
    assert "best epoch:    " in capsys.readouterr().out
    assert len((here / "a/history.csv").read_text().splitlines()) == 3
    assert json.loads((here / "a/config.json").read_text())["epochs"] == 2


def test_seed_decides_everything(here):
    for name, seed in (("a", "5"), ("b", "5"), ("c", "6")):
        main([*TRAIN, "--epochs", "1", "--seed", seed, "--out", name])
    a, b, c = (weights(here / name) for name in "abc")
    assert all(np.array_equal(a[key], b[key]) for key in a)
    assert not np.array_equal(a["fc1.weight"], c["fc1.weight"])


def test_fp64(here):
    assert main([*TRAIN, "--epochs", "1", "--precision", "fp64", "--out", "a"]) == 0
    assert all(value.dtype == np.float64 for value in weights(here / "a").values())
    assert main(["evaluate", "a"]) == 0


def test_bf16(here, capsys, monkeypatch):
    """Trained, evaluated and predicted with in bf16, or at will in float32; the weights are float32 all the same."""
    assert main([*TRAIN, "--epochs", "1", "--precision", "bf16", "--out", "a"]) == 0
    err = capsys.readouterr().err
    assert "bf16, seed 0, on cpu" in err and "images/s, cpu, bf16" in err
    assert all(value.dtype == np.float32 for value in weights(here / "a").values())
    assert json.loads((here / "a/config.json").read_text())["precision"] == "bf16"
    assert 'precision = "bf16"' in (here / "a/recipe.toml").read_text()
    seen, evaluate = [], train.Trainer.evaluate
    monkeypatch.setattr(train.Trainer, "evaluate", lambda t, x: seen.append(t.precision_name()) or evaluate(t, x))
    for more in ([], ["--precision", "tf32"], ["--precision", "fp32"]):
        assert main(["evaluate", "a", *more]) == 0
    assert seen == ["bf16", "tf32", "fp32"]
    said = capsys.readouterr().out.splitlines()
    assert said[0].endswith(", in bf16") and said[1].endswith(", in tf32") and ", in " not in said[2]
    assert main(["evaluate", "a", "--precision", "fp64"]) == 2
    assert "--precision fp64 has weights of float64, the run's are float32 (bf16)" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["adam", "adamw", "rmsprop"])
def test_other_optimisers_get_their_own_rate(here, name):
    assert main([*TRAIN, "--epochs", "1", "--optimizer", name, "--out", "a"]) == 0
    assert json.loads((here / "a/config.json").read_text())["lr"] == 1e-3


def test_networks_for_larger_images_pad(here):
    assert main(["train", "alexnet_lite", "--epochs", "1", "--batch-size", "60", "--out", "a"]) == 0
    saved = json.loads((here / "a/config.json").read_text())
    assert (saved["size"], saved["channels"]) == (32, 1)
    assert main(["evaluate", "a"]) == 0


def test_the_note_of_other_data_is_printed_and_the_name_recorded(here, capsys, monkeypatch):
    digits = data.Loaded(**{**vars(tiny_dataset()), "name": "digits", "note": "no MNIST here: using digits"})
    monkeypatch.setattr(data, "load", lambda name, limit=None: digits)
    assert main([*TRAIN, "--epochs", "1", "--out", "a"]) == 0
    assert "no MNIST here: using digits\n" in capsys.readouterr().err
    assert json.loads((here / "a/config.json").read_text())["data"] == "digits"


def test_loss_that_is_not_finite(here, capsys):
    assert main(["train", "lenet_20_50_500", "--epochs", "2", "--lr", "1e12", "--out", "a"]) == 2
    err = capsys.readouterr().err
    assert "gpunn: error: Trainer.fit: the loss is" in err and "lower learning rate" in err
    assert "Traceback" not in err


def test_every_network_has_a_recipe():
    assert set(RECIPES) == set(models.names())
