"""LeNet-5 of 1998: its output of distances, its two criteria, its trained pooling."""

import numpy as np
import pytest

import gpunn
from gpunn import models
from gpunn.engine.tensor import Tensor
from gpunn.errors import UsageError
from gpunn.models.lenet_1998 import TrainedPool2d, codes, squash


def images(n=3):
    return np.random.default_rng(0).standard_normal((n, 1, 28, 28)).astype(np.float32)


def test_the_paper_s_parameters():
    """LeCun et al. 1998, section II.B: 60,000 trainable ones; the codes are none of them."""
    model = models.create("lenet5_1998")
    assert sum(p.size for p in model.parameters()) == 60_000
    sizes = [sum(p.size for p in layer.parameters()) for layer in (model.conv1, model.pool1, model.conv2, model.pool2)]
    assert sizes == [156, 12, 1516, 32]
    assert list(dict(model.named_buffers())) == ["codes", "conv2.places"]


def test_codes_are_pictures_that_differ():
    found = codes()
    assert found.shape == (10, 84) and set(np.unique(found)) == {-1, 1}
    apart = np.square(found[:, None] - found).sum(-1) + 1000 * np.eye(10)
    assert apart.min() >= 4 * 12  # two digits differ in a dozen pixels and more


def test_outputs_are_distances_to_the_codes_and_losses_the_paper_s_equations():
    x, labels = images(), np.array([3, 0, 9])
    for criterion in ("mse", "map"):
        gpunn.manual_seed(0)
        model = models.create("lenet5_1998", criterion=criterion)
        seen = {}
        model.fc2.register_forward_hook(lambda layer, given, y, seen=seen: seen.update(y=np.asarray(y)))
        scores = model(Tensor(x))
        state = 1.7159 * np.tanh(2 / 3 * seen["y"].astype(np.float64))
        distances = np.square(state[:, None] - codes()).sum(-1)
        np.testing.assert_allclose(-np.asarray(scores), distances, rtol=1e-5)
        right = distances[np.arange(3), labels]
        pushed = np.log(np.exp(-0.1) + np.exp(-distances).sum(1))
        want = right.mean() if criterion == "mse" else (right + pushed).mean()
        assert model.loss(scores, labels).item() == pytest.approx(want, rel=1e-5)
    np.testing.assert_allclose(squash(np.array([-1.0, 1.0])), [-1, 1], atol=1e-4)


def test_pooling_sums_a_window_by_the_map_s_own_weight():
    pool = TrainedPool2d(2)
    pool.weight.array[...], pool.bias.array[...] = [1, -2], [0, 5]
    x = np.arange(32, dtype=np.float32).reshape(1, 2, 4, 4)
    y = np.asarray(pool(Tensor(x)))
    np.testing.assert_allclose(y[0, 0], [[0 + 1 + 4 + 5, 2 + 3 + 6 + 7], [42, 50]])
    np.testing.assert_allclose(y[0, 1], 5 - 2 * (np.array([[10, 18], [42, 50]]) + 64))


def test_gradients_reach_every_parameter():
    for criterion in ("mse", "map"):
        model = models.create("lenet5_1998", criterion=criterion)
        model.loss(model(Tensor(images())), np.array([1, 2, 3])).backward()
        assert all(np.abs(p.gradient).max() > 0 for p in model.parameters())


def test_an_ignored_label_takes_its_image_out_of_the_loss():
    model = models.create("lenet5_1998")
    scores = model(Tensor(images()))
    alone = model.loss(scores[:2], np.array([3, 0])).item()
    assert model.loss(scores, np.array([3, 0, -100])).item() == pytest.approx(alone, rel=1e-6)


def test_refusals():
    with pytest.raises(UsageError, match=r"unknown criterion of LeNet-5 'mes'; did you mean 'mse'"):
        models.create("lenet5_1998", criterion="mes")
    with pytest.raises(ValueError, match=r"lenet5_1998: got 3 classes and 1 channels, expected 10 and 1"):
        models.create("lenet5_1998", 3)
