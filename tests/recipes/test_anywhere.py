"""A run on a folder of pictures is found from any working folder; one on a part of the data says which."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from gpunn import data, train
from gpunn.cli import main
from gpunn.recipes.recipe import read_recipe
from tests.tiny_runs import tiny_dataset


def weights(folder):
    return train.load_checkpoint(folder / "last.npz")["model"]


@pytest.fixture
def pictures(tmp_path, monkeypatch):
    """The working folder, with pictures in pics, and another beside them."""
    image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    rng = np.random.default_rng(0)
    for part, count in (("train", 12), ("test", 4)):
        for name in ("a", "b"):
            place = tmp_path / "pics" / part / name
            place.mkdir(parents=True)
            for i in range(count):
                image.fromarray(rng.integers(0, 255, (8, 8, 3)).astype(np.uint8)).save(place / f"{i}.png")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


TRAIN = ["train", "resnet20", "--epochs", "1", "--batch-size", "11"]


def test_a_run_on_a_folder_is_found_from_anywhere(pictures, monkeypatch, capsys):
    assert main([*TRAIN, "--data", "folder:pics", "--out", "run"]) == 0
    name = f"folder:{pictures / 'pics'}"
    assert json.loads((pictures / "run/config.json").read_text())["data"] == name
    assert read_recipe(pictures / "run/recipe.toml")["data"] == name
    assert train.load_checkpoint(pictures / "run/best.npz")["info"]["data"] == name
    monkeypatch.chdir(pictures / "elsewhere")
    capsys.readouterr()
    assert main(["evaluate", "../run"]) == 0
    assert f"on 8 test images of {name}" in capsys.readouterr().out
    assert main(["predict", "--run", "../run", "../pics/test/a/0.png"]) == 0
    assert main(["train", "--recipe", "../run", "--out", "again"]) == 0
    first, second = weights(pictures / "run"), weights(pictures / "elsewhere/again")
    assert all(np.array_equal(value, second[name]) for name, value in first.items())
    for typed in ([], ["--data", "folder:../pics"]):
        epochs = str(2 + len(typed))
        assert main(["train", "--resume", "../run", "--epochs", epochs, *typed]) == 0
    capsys.readouterr()
    assert main(["train", "--resume", "../run", "--data", "folder:pics"]) == 2
    assert f"--data folder:pics differs from the {name} of the run in ../run" in capsys.readouterr().err


def test_a_run_of_before_goes_on_from_its_own_folder_and_is_found_from_then_on(pictures, monkeypatch):
    assert main([*TRAIN, "--data", "folder:pics", "--out", "run"]) == 0
    path = pictures / "run/config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "data": "folder:pics"}))
    assert main(["train", "--resume", "run", "--epochs", "2", "--data", "folder:pics"]) == 0
    assert json.loads(path.read_text())["data"] == f"folder:{pictures / 'pics'}"


@pytest.mark.parametrize("options", [[], ["--ensemble", "2"]], ids=["network", "ensemble"])
def test_train_says_how_many_test_images_it_looked_at_and_report_looks_at_these(here, monkeypatch, capsys, options):
    pytest.importorskip("matplotlib", reason="a report needs matplotlib")

    def load(name, limit=None):
        whole = tiny_dataset()
        n = len(whole.test) if limit is None else len(whole.test) * limit // len(whole.train)
        return replace(
            whole, train=whole.train[:limit], train_labels=whole.train_labels[:limit],
            test=whole.test[:n], test_labels=whole.test_labels[:n],
        )  # fmt: skip

    monkeypatch.setattr(data, "load", load)
    assert main(["train", "mlp", "--limit", "120", "--epochs", "2", "--out", "run", *options]) == 0
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("test accuracy: ")]
    assert line.endswith(", of 20 test images")
    assert main(["report", "run"]) == 0
    reported = capsys.readouterr().out
    assert "% of 20 test images right" in reported
    assert line.split()[2] == reported.split(": ")[1].split()[0]
    assert main(["report", "run", "--limit", "9"]) == 0
    assert "% of 9 test images right" in capsys.readouterr().out
