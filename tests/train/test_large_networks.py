"""Whole steps of the largest networks at the images they were designed for: AlexNet, ResNet-152, Inception-v4."""

import os

import numpy as np
import pytest

import gpunn
from gpunn import models, nn, ops, optim, train
from tests import counting

pytestmark = pytest.mark.skipif(not os.environ.get("CI"), reason="networks of 60 million parameters: in CI")
IN_CI = {"alexnet": 2, "resnet152": 2, "inception_v4": 1}  # images a step


def batch(name, n, device="cpu"):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((n, *models.input_shape(name)), dtype=np.float32)
    return gpunn.to_device(x, device), gpunn.to_device(np.arange(n) % 10, device)


@pytest.mark.parametrize("name", IN_CI)
def test_a_step_moves_every_weight_and_the_next_has_a_lower_loss(name):
    gpunn.manual_seed(0)
    model = models.create(name, num_classes=10)
    for layer in model.modules():
        if isinstance(layer, nn.Dropout):
            layer.p = 0.0  # both steps are of one function
    before = {key: value.copy() for key, value in model.named_arrays().items()}
    x, labels = batch(name, IN_CI[name])
    step = train.CapturedStep(model, ops.cross_entropy, optim.SGD(model.parameters(), 1e-3))
    first, second = float(step(x, labels)), float(step(x, labels))
    assert np.isfinite(first) and second < first
    still = [key for key, value in model.named_arrays().items() if np.array_equal(value, before[key])]
    assert [key for key in still if "num_batches" not in key] == []


@pytest.mark.parametrize("name", IN_CI)
def test_a_step_is_captured_whole(name, look_alike):
    """Launches alone are counted; that replays are eager steps to the last bit is shown of smaller networks, and of
    AlexNet on a card (tests/gpu)."""
    x, labels = batch(name, 2, "cuda")
    with counting.dry():
        model = models.create(name, num_classes=10).to("cuda")
        step = train.CapturedStep(model, ops.cross_entropy, optim.SGD(model.parameters(), 0.01, momentum=0.9))
        for _ in range(3):
            step(x, labels)
        assert step.captured
        with counting.device_work() as work:
            step(x, labels)
    assert dict(work.launches) == {"setitem": 2, "graph": 1} and not work.reads, str(work)  # the batch's two arrays
