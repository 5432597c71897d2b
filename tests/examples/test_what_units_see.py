"""examples/what_units_see.py: gradients by differences, ascent that raises answers, pictures of what was found."""

import os

import numpy as np
import pytest

import gpunn
from gpunn import models
from gpunn.errors import UsageError
from tests.examples.test_examples import load

in_ci = pytest.mark.skipif(not os.environ.get("CI"), reason="10 s of training and ascent: in CI")


@pytest.fixture(scope="module")
def example():
    return load("what_units_see")


@pytest.fixture
def model():
    gpunn.manual_seed(0)
    return models.lenet_20_50_500().eval()


def drawn(n, dtype=np.float32):
    return np.random.default_rng(1).standard_normal((n, 1, 28, 28)).astype(dtype)


def differences(f, x, pixels, step=1e-6):
    """The slopes of f, an answer per image, by differences at some pixels of the images."""
    found = []
    for pixel in pixels:
        more, less = x.copy(), x.copy()
        more[(..., *pixel)] += step
        less[(..., *pixel)] -= step
        found.append((f(more) - f(less)) / (2 * step))
    return np.stack(found, axis=-1)


@pytest.mark.parametrize("layer", ["conv1", "conv2", "fc1", "fc2"])
def test_slopes_are_differences(example, model, layer):
    model, x, units = model.to("float64"), drawn(3, np.float64), np.array([0, 7, 2])
    answers, gx = example.slopes(model, layer, x, units)
    pixels = [(0, 14, 14), (0, 12, 15), (0, 20, 9)]
    want = differences(lambda x: example.slopes(model, layer, x, units)[0], x, pixels)
    assert np.allclose(gx[:, 0, [14, 12, 20], [14, 15, 9]], want, atol=1e-7) and np.abs(want).max() > 1e-3
    assert answers.shape == (3,) and all(p.grad is None for p in model.parameters())


def test_answers_are_the_layers_own(example, model):
    x = drawn(2)
    want = gpunn.to_numpy(model.conv1(x))[[0, 1], [3, 5], 12, 12]
    assert np.allclose(example.slopes(model, "conv1", x, np.array([3, 5]))[0], want, atol=1e-5)
    assert not model.conv1._forward_hooks


@pytest.mark.parametrize("layer", ["conv2", "fc2"])
def test_ascent_raises_the_answer_within_the_limits(example, model, layer):
    units = np.arange(10)
    answers = [
        example.slopes(model, layer, example.ascend(model, layer, units, (1, 28, 28), (-0.5, 2.5), steps=n), units)[0]
        for n in (0, 12)
    ]
    assert (answers[1] > answers[0] + 0.05).all()
    x = example.ascend(model, layer, units, (1, 28, 28), (-0.5, 0.5), steps=12)
    assert x.min() >= -0.5 and x.max() <= 0.5


def test_ascent_on_a_linear_unit_ends_at_its_kernel(example, model):
    units = np.arange(6)
    found = example.ascend(model, "conv1", units, (1, 28, 28), (-np.inf, np.inf), blur=0)[:, 0, 12:17, 12:17]
    for patch, kernel in zip(found, model.conv1.weight.numpy()[:, 0], strict=False):
        assert np.corrcoef(patch.ravel(), kernel.ravel())[0, 1] > 0.999


def test_pictures(example):
    pytest.importorskip("matplotlib", reason="the example draws pictures")
    rng = np.random.default_rng(0)
    best = {"conv1": rng.random((20, 5, 5)), "conv2": rng.random((20, 14, 14)), "fc2": rng.random((10, 28, 28))}
    conv1, conv2, classes = example.draw_ascent(best).axes
    assert conv1.images[0].get_array().shape == (11, 59, 3) and classes.images[0].get_array().shape == (28, 289, 3)
    assert conv2.get_title(loc="left") == "what raises 20 units of conv2 the most"


def test_without_matplotlib_the_extra_is_named(example, tmp_path, without_matplotlib):
    with pytest.raises(UsageError, match=r'matplotlib is missing .* pip install "gpunn\[plot\]"'):
        example.main(["--out", str(tmp_path / "a")])


@in_ci
def test_main(example, tmp_path):
    pytest.importorskip("matplotlib", reason="the example draws pictures")
    assert example.main(["--limit", "2000", "--epochs", "2", "--out", str(tmp_path)]) > 0.6
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ascent.png", "maps.png", "saliency.png"]
