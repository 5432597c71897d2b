"""`gpunn train unet --data shapes` and what follows from its run folder, on a few small shapes."""

from __future__ import annotations

import csv
import os
import re

import numpy as np
import pytest

from gpunn import data, models, train
from gpunn.cli import main
from gpunn.data.shapes import CLASSES
from gpunn.recipes.config import Config
from tests.tiny_runs import tiny_dataset

OPTIONS = ["--model-option", "depth=1", "--model-option", "width=4", "--batch-size", "10"]


def small_shapes(name="shapes", limit=None):
    """32 x 32 pixels; 60 training and 12 test images."""
    if name != "shapes":
        return tiny_dataset()
    few = (a[..., ::2, ::2].copy() for a in (*data.make_shapes(60), *data.make_shapes(12, part="test")))
    return data.Loaded("shapes", *few, classes=CLASSES, mean=(0.5,) * 3, std=(0.25,) * 3)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A run of three epochs, and what `gpunn train` printed is left to the log."""
    here = tmp_path_factory.mktemp("segmentation")
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(here)
        patched.setattr(data, "load", small_shapes)
        assert main(["train", "unet", "--data", "shapes", *OPTIONS, "--epochs", "3", "--out", "a"]) == 0
    return here


@pytest.fixture
def here(folder, monkeypatch):
    monkeypatch.chdir(folder)
    monkeypatch.setattr(data, "load", small_shapes)
    return folder


def test_train_leaves_a_run_whose_best_epoch_is_by_mean_iou(here):
    with open("a/history.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 3 and {"train_iou", "val_iou", "val_dice", "val_accuracy"} <= rows[0].keys()
    assert float(rows[2]["train_loss"]) < float(rows[0]["train_loss"])
    best = train.load_checkpoint(here / "a" / "best.npz")["row"]
    assert best["val_iou"] == pytest.approx(max(float(row["val_iou"]) for row in rows))
    assert Config.read(here / "a").model_options == {"depth": 1, "width": 4, "batch_norm": True}


def test_evaluate_gives_what_the_metrics_of_all_scores_are(here, capsys):
    assert main(["evaluate", "a"]) == 0
    said = capsys.readouterr().out
    loaded = small_shapes()
    model = models.unet(3, 3, depth=1, width=4, batch_norm=True)
    train.load_weights(here / "a" / "best.npz", model)
    scores = train.predict(model, data.normalise(loaded.test, loaded.mean, loaded.std))
    want = [metric(scores, loaded.test_labels) for metric in (train.mean_iou, train.dice, train.accuracy)]
    found = re.findall(r"mean IoU ([\d.]+)%, mean Dice ([\d.]+)%, accuracy ([\d.]+)%", said)
    np.testing.assert_allclose(np.array(found[0], float) / 100, want, atol=1e-4)
    assert "unet on 12 test images of shapes" in said


def test_predict_writes_a_mask(here, capsys):
    image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    loaded = small_shapes()
    image.fromarray(loaded.test[0].transpose(1, 2, 0)).save("one.png")
    assert main(["predict", "one.png", "--run", "a"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("one.png: ") and "mask 32x32 in one.mask.png" in said
    mask = np.asarray(image.open("one.mask.png"))
    model = models.unet(3, 3, depth=1, width=4, batch_norm=True)
    train.load_weights(here / "a" / "best.npz", model)
    scores = train.predict(model, data.normalise(loaded.test[:1], loaded.mean, loaded.std))
    assert mask.shape == (32, 32) and np.array_equal(mask, scores[0].argmax(0)), "its pixels are class numbers"
    assert main(["predict", "one.png", "--run", "a", "--out", "new/folder"]) == 0
    assert (here / "new" / "folder" / "one.mask.png").read_bytes() == (here / "one.mask.png").read_bytes()
    (here / "file").write_text("")
    assert main(["predict", "one.png", "--run", "a", "--out", "file"]) == 1
    assert re.search(r"file/one.mask.png cannot be written \(.*\); choose another folder", capsys.readouterr().err)


@pytest.mark.skipif(not os.environ.get("CI"), reason="seconds of pictures: in CI")
@pytest.mark.curves
def test_report_has_overlays(here):
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    assert main(["report", "a"]) == 0
    page = (here / "a" / "report.html").read_text()
    assert "mean IoU" in page and "triangle" in page and page.count("data:image/png") >= 3


def test_valid_convolutions_score_the_middle(here, capsys):
    options = [*OPTIONS, "--model-option", "padding=valid", "--epochs", "1", "--out", "b"]
    assert main(["train", "unet", *options]) == 0
    assert Config.read(here / "b").data == "shapes", "which its recipe names"
    assert Config.read(here / "b").size == 32 and "test mean IoU" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["lenet5", "--data", "shapes"], "lenet5 names whole images, but shapes has a label for each pixel; .*unet"),
        (["unet", "--data", "mnist"], "unet names each pixel, but mnist has one label an image; .*--data shapes"),
        (["unet", "--model-option", "depth=0"], "model option of unet: UNet: depth is 0, expected at least 1"),
        (["unet", "--model-option", "padding=full"], "UNet: padding is 'full', expected one of 'same', 'valid'"),
    ],
)
def test_what_does_not_fit_is_one_line(here, capsys, arguments, words):
    assert main(["train", *arguments, "--out", "c"]) != 0
    err = capsys.readouterr().err
    assert re.search(words, err) and err.count("\n") == 1 and not (here / "c").exists()
