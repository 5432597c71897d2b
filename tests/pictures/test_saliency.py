"""Saliency maps against differences of the scores, and their picture read from the Figure itself."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("matplotlib", reason="pictures need matplotlib")

import gpunn
from gpunn import models, nn, pictures


def drawn(n, channels=1, dtype=np.float32):
    return np.random.default_rng(1).standard_normal((n, channels, 28, 28)).astype(dtype)


@pytest.mark.parametrize("channels", [1, 3])
def test_maps_are_the_size_of_differences(channels):
    gpunn.manual_seed(0)
    model, x = models.create("lenet_20_50_500", in_channels=channels).to("float64"), drawn(2, channels, np.float64)
    with gpunn.no_grad():
        classes, maps = pictures.saliency_maps(model, x)
    scores = gpunn.to_numpy(model(x))
    assert classes.tolist() == scores.argmax(1).tolist() and maps.shape == (2, 28, 28)
    for row, column in ((10, 10), (15, 13)):
        slopes = []
        for channel in range(channels):
            step = np.zeros(x.shape)
            step[:, channel, row, column] = 1e-6
            more, less = (gpunn.to_numpy(model(x + sign * step))[[0, 1], classes] for sign in (1, -1))
            slopes.append(np.abs(more - less) / 2e-6)
        assert np.allclose(maps[:, row, column], np.max(slopes, axis=0), atol=1e-7)
    assert model.training and all(p.grad is None for p in model.parameters())


def test_a_tensor_keeps_its_own_gradient():
    model, x = nn.Sequential(nn.Flatten(), nn.Linear(784, 3)), gpunn.Tensor(drawn(1), requires_grad=True)
    classes, maps = pictures.saliency_maps(model, x)
    assert x.grad is None and np.allclose(maps[0].ravel(), np.abs(model[1].weight.numpy()[classes[0]]))


def test_the_picture():
    gpunn.manual_seed(0)
    model, x = models.create("lenet5"), drawn(12)
    images = np.random.default_rng(0).integers(0, 256, (12, 1, 28, 28), dtype=np.uint8)
    names = [f"${i}" for i in range(10)]
    axes = pictures.saliency(model, x, images, names).axes
    classes, maps = pictures.saliency_maps(model, x[:10])
    assert [a.get_title(loc="left") for a in axes] == [*(f"is \\${label}" for label in classes), *[""] * 10]
    assert np.allclose(axes[3].images[0].get_array()[..., 0] * 255, images[3, 0])
    assert np.allclose(axes[13].images[0].get_array(), maps[3])


@pytest.mark.parametrize(
    ("model", "x"), [(nn.Conv2d(1, 2, 3), drawn(1)), (models.mlp(), drawn(0)), (nn.Linear(5, 2), np.ones((3, 5), "f4"))]
)
def test_what_gives_no_scores_of_images(model, x):
    with pytest.raises(pictures.NothingToDraw, match=r"saliency: x \(.*\) gives \(.*\), expected scores"):
        pictures.saliency(model, x, np.zeros((1, 1, 28, 28), np.uint8), "ab")


def test_images_and_names_have_to_be_those_of_the_network():
    model, images = models.create("lenet5"), np.zeros((2, 1, 28, 28), np.uint8)
    with pytest.raises(ValueError, match="saliency: x has 2 images but images 1; pass the same, as uint8"):
        pictures.saliency(model, drawn(2), images[:1], "0123456789")
    with pytest.raises(
        ValueError, match=r"saliency: an image is taken for class \d, there are 0 names; name all classes"
    ):
        pictures.saliency(model, drawn(2), images, "")
