"""Auto-encoders on the command line: trained, tested, shown, resumed; by their own loss, on images as they are."""

from __future__ import annotations

import json
import re

import pytest

import gpunn
from gpunn import data, models
from gpunn.cli import main
from gpunn.recipes.folders import load_model
from gpunn.report.tested import rebuilt
from tests.tiny_runs import tiny_dataset


def history(folder):
    return (folder / "history.csv").read_text().splitlines()


def test_an_autoencoder_is_trained_and_tested(here, capsys):
    options = ["--model-option", "hidden=[32]", "--model-option", "latent=4"]
    assert main(["train", "autoencoder", *options, "--epochs", "4", "--lr", "0.01", "--out", "a"]) == 0
    out = capsys.readouterr().out
    assert re.search(r"test mean squared error: 0\.\d+ with the best epoch's weights", out)
    assert "train_mse" in history(here / "a")[0] and len(history(here / "a")) == 5
    config = json.loads((here / "a" / "config.json").read_text())
    assert config["mean"] == [0.0] and config["std"] == [1.0] and config["shift"] == 0, "pixels from 0 to 1, unmoved"
    assert main(["evaluate", "a"]) == 0
    assert re.search(r"mean squared error 0\.\d+", capsys.readouterr().out)
    facts = rebuilt(*load_model(here / "a" / "best.npz", gpunn.Device("cpu")), limit=None).facts
    assert [name.split(",")[0] for name in facts] == ["mean squared error"], "a report says it once"


def test_a_variational_one_is_resumed_to_the_same_bits(here):
    (here / "my.toml").write_text('model = "vae"\nmodel_options = { hidden = [16] }\nschedule = "constant"\n')
    for folder, epochs in (("whole", "2"), ("parts", "1")):
        assert main(["train", "--recipe", "my.toml", "--epochs", epochs, "--out", folder]) == 0
    assert main(["train", "--resume", "parts", "--epochs", "2"]) == 0
    whole, parts = ((here / folder / "history.csv").read_text().splitlines() for folder in ("whole", "parts"))
    assert len(whole) == len(parts) == 3
    assert [row.split(",")[:6] for row in whole] == [row.split(",")[:6] for row in parts]


@pytest.mark.parametrize("name", ["conv_autoencoder", "denoising_autoencoder", "sparse_autoencoder"])
def test_the_others_run(here, name):
    small = {"sparse_autoencoder": "latent=32", "denoising_autoencoder": "hidden=[32]"}
    option = ["--model-option", small[name]] if name in small else []
    assert main(["train", name, *option, "--epochs", "1", "--out", "a"]) == 0
    assert len(history(here / "a")) == 2


def test_a_report_shows_reconstructions_and_samples(here):
    pytest.importorskip("matplotlib", reason="a report has pictures")
    assert main(["train", "vae", "--model-option", "hidden=[16]", "--epochs", "1", "--out", "a"]) == 0
    assert main(["report", "a"]) == 0
    page = (here / "a" / "report.html").read_text()
    assert "Reconstructions" in page and "Samples" in page and "nats an image" in page


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["autoencoder", "--model-option", "latent=0"], "autoencoder: latent is 0, expected at least 1"),
        (["vae", "--model-option", "hidden=[0]"], r"hidden is \(0,\), expected at least 1"),
        (["denoising_autoencoder", "--model-option", "level=2.0"], "p is 2.0, expected 0 to 1"),
        (["vae", "--model-option", "latnet=2"], "unknown option of vae 'latnet'; did you mean 'latent'"),
    ],
)
def test_refused(here, capsys, arguments, words):
    assert main(["train", *arguments, "--out", "a"]) == 2
    assert re.search(words, capsys.readouterr().err)
    assert not (here / "a").exists()


def test_images_of_another_size(here, monkeypatch):
    """Dense ones are made for the data's side, convolutional ones for the next that can be halved."""
    assert models.takes_size("autoencoder", 33) and models.size_for("conv_autoencoder", 33) == 36
    assert not models.takes_size("conv_autoencoder", 30)
    monkeypatch.setattr(data, "load", lambda name, limit=None: tiny_dataset(size=30))
    for name, size in (("linear_autoencoder", 30), ("conv_autoencoder", 32)):
        assert main(["train", name, "--epochs", "1", "--out", name]) == 0
        assert json.loads((here / name / "config.json").read_text())["size"] == size
