"""Keys, outputs and a few training steps equal PyTorch's from equal weights."""

from __future__ import annotations

import numpy as np
import pytest

from gpunn import models, ops, optim
from gpunn.engine.tensor import Tensor

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from tests.models import twins  # noqa: E402 - it imports torch

CASES = [
    ("mlp", {}, twins.mlp, (3, 1, 28, 28)),
    ("lenet5", {}, twins.LeNet5, (3, 1, 28, 28)),
    ("lenet_20_50_500", {}, twins.LeNet20, (3, 1, 28, 28)),
    ("alexnet_lite", {}, twins.AlexNetLite, (3, 3, 32, 32)),
    ("resnet20", {}, twins.CifarResNet, (3, 3, 16, 16)),
    ("resnet20", {"shortcut": "B"}, lambda: twins.CifarResNet(3, "B"), (3, 3, 16, 16)),
    ("resnet32", {}, lambda: twins.CifarResNet(5), (2, 3, 16, 16)),
]
IDS = [name + "".join(f"-{v}" for v in options.values()) for name, options, *_ in CASES]


def pair(name, options, build):
    torch.manual_seed(0)
    theirs, ours = build(), models.create(name, **options)
    ours.load_state_dict(theirs.state_dict())
    return theirs, ours


def images(shape):
    return np.random.default_rng(1).normal(size=shape).astype(np.float32)


@pytest.mark.parametrize(("name", "options", "build", "shape"), CASES, ids=IDS)
def test_keys_and_shapes(name, options, build, shape):
    theirs, ours = build().state_dict(), models.create(name, **options).state_dict()
    assert list(ours) == list(theirs)
    assert {k: tuple(v.shape) for k, v in ours.items()} == {k: tuple(v.shape) for k, v in theirs.items()}


@pytest.mark.parametrize(("name", "options", "build", "shape"), CASES, ids=IDS)
@pytest.mark.parametrize("training", [False, True], ids=["eval", "train"])
def test_outputs(name, options, build, shape, training):
    if training and name == "alexnet_lite":
        pytest.skip("dropout draws other masks in PyTorch")
    theirs, ours = pair(name, options, build)
    theirs.train(training)
    ours.train(training)
    x = images(shape)
    with torch.no_grad():
        want = theirs(torch.from_numpy(x)).numpy()
    got = ours(x)
    np.testing.assert_allclose(got, want, rtol=2e-4, atol=2e-4 * np.abs(want).max())
    for key, value in theirs.state_dict().items():  # running statistics moved alike
        np.testing.assert_allclose(ours.state_dict()[key], value.numpy(), rtol=1e-4, atol=1e-5, err_msg=key)


@pytest.mark.parametrize(("name", "options", "build", "shape"), CASES[:6], ids=IDS[:6])
def test_losses_of_training_steps(name, options, build, shape):
    # float64: in float32 a rounding that flips one ReLU grows to 1 % of the loss within ten steps of a ResNet.
    theirs, ours = pair(name, options, build)
    theirs.double()
    ours.to(np.dtype(np.float64))
    if name == "alexnet_lite":  # whose dropout draws other masks in PyTorch, and which has no batch norm
        theirs.eval()
        ours.eval()
    x, labels = images((8, *shape[1:])).astype(np.float64), np.arange(8)
    their_sgd = torch.optim.SGD(theirs.parameters(), lr=0.02, momentum=0.9)
    our_sgd = optim.SGD(ours.parameters(), lr=0.02, momentum=0.9)
    want, got = [], []
    for _ in range(20):
        loss = torch.nn.functional.cross_entropy(theirs(torch.from_numpy(x)), torch.from_numpy(labels))
        their_sgd.zero_grad()
        loss.backward()
        their_sgd.step()
        want.append(loss.item())
        loss = ops.cross_entropy(ours(Tensor(x)), labels)
        our_sgd.zero_grad()
        loss.backward()
        our_sgd.step()
        got.append(loss.item())
    np.testing.assert_allclose(got, want, rtol=1e-6)
