"""Class names, labels and paths of unknown origin: the page, the pictures and the terminal show them harmlessly."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest

from gpunn import data, pictures
from gpunn.cli import main
from gpunn.text import drawable, escaped
from tests.tiny_runs import tiny_dataset

NAMES = ("\ud800lone", "folder\udcff", "$\\frac{1}{", "a$b$c", "\x1b[31mred", "new\nline", "<b>&bold", "x" * 500,
         "漢字", "\u202ereversed")  # fmt: skip


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_a_name_is_one_line_of_letters_without_commands(name):
    shown = escaped(name)
    shown.encode()
    assert shown.isprintable() and "<" not in shown
    assert drawable(name).replace(r"\$", "").count("$") == 0 and len(drawable(name)) < 140


@pytest.mark.parametrize("names", [NAMES, ("$\\frac{1}{", "$x$", "\\$", "$", "$$", "\\", "%", "_", "{", "^")])
def test_pictures_draw_any_names(names):
    image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    rng = np.random.default_rng(0)
    scores, labels = rng.random((30, 10)), rng.integers(0, 10, 30)
    tests = rng.integers(0, 256, (30, 1, 8, 8), np.uint8)
    rows = [{"epoch": i, "train_loss": 1 / i, names[2]: 1.0} for i in (1, 2)]
    steps = [{"step": i, **dict.fromkeys(names, 0.1)} for i in (1, 2)]
    drawn = [
        pictures.confusion_matrix(scores, labels, names),
        pictures.worst_mistakes(tests, scores, labels, names),
        pictures.learning_curves(dict.fromkeys(names[:3], rows)),
        pictures.gradient_norms(steps),
        pictures.gradient_norms(dict.fromkeys(names[:2], steps)),
    ]
    for figure in drawn:
        image.open(io.BytesIO(pictures.png(figure))).verify()


def test_commands_show_them_too(here, capsys, monkeypatch):
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    tiny = replace(tiny_dataset(), name="folder:\udcff\x1b[2J", classes=NAMES)
    monkeypatch.setattr(data, "load", lambda name, limit=None: tiny)
    assert main(["train", "mlp", "--epochs", "1", "--out", "a", "--data", "folder:\udcff\x1b[2J"]) == 0
    image.fromarray(255 - np.eye(28, dtype=np.uint8) * 200).save("x.png")
    for command in ("evaluate a", "predict x.png --run a", "report a", "train --resume a --epochs 2"):
        assert main(command.split()) == 0
    out, err = capsys.readouterr()
    (out + err).encode()
    assert "\x1b" not in out + err and "folder:\\udcff\\x1b[2J" in out + err
    page = (here / "a" / "report.html").read_text()
    assert "\x1b" not in page and "\\x1b[31mred" in page and "&lt;b&gt;&amp;bold" in page and "new\\nline" in page
