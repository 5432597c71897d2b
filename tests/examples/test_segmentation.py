"""What the example of segmentation claims of its parts; its figures are those of longer runs."""

from __future__ import annotations

import os

import numpy as np
import pytest

from gpunn import data, models
from gpunn.data.shapes import CLASSES
from tests.examples.test_examples import load


@pytest.fixture(scope="module")
def example():
    return load("segmentation")


def test_halved_images_are_means_and_masks_keep_classes(example):
    images, masks = data.make_shapes(2)
    small, classes = example.halved(images, masks)
    assert small.shape == (2, 3, 32, 32) and small.dtype == np.uint8
    assert abs(int(small[1, 2, 5, 7]) - images[1, 2, 10:12, 14:16].mean()) <= 0.5
    assert np.array_equal(classes, masks[:, ::2, ::2])


def test_without_skips_the_first_level_reaches_the_scores_by_the_narrowest_alone(example):
    """Zeros at the bottom leave nothing of the image; with skips it still is there."""
    x = np.random.default_rng(0).standard_normal((2, 3, 8, 8)).astype(np.float32)
    for build, alike in ((example.WithoutSkips, True), (models.UNet, False)):
        model = example.network(2, 1, build).eval()
        model.up[0].weight.array[:] = 0
        first, second = model(x)
        assert np.array_equal(first, second) is alike


@pytest.mark.skipif(not os.environ.get("CI"), reason="seconds of training: in CI")
@pytest.mark.curves
def test_it_learns_and_draws(example, monkeypatch, tmp_path, capsys):
    pytest.importorskip("matplotlib", reason="the example draws a picture")
    images, masks = example.halved(*data.make_shapes(60))
    few = data.Loaded("shapes", images, masks, images[:12], masks[:12], CLASSES, (0.5,) * 3, (0.25,) * 3)
    monkeypatch.setattr(example.data, "load", lambda name, limit=None: few)
    found = example.main(["--epochs", "12", "--depth", "1", "--loss", "both", "--out", str(tmp_path / "a.png")])
    assert found > 0.33, "better than the answer background everywhere, 0.29"
    assert "epoch 12: loss" in capsys.readouterr().out and (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
