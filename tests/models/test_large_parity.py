"""The ImageNet networks against PyTorch: keys and shapes of all, outputs and gradients of those that fit a test."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from gpunn import CheckpointError, Tensor, models, nn, ops, optim

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from tests.models import large_twins as twins  # noqa: E402 - it imports torch

NETWORKS = [
    ("resnet18", {}, partial(twins.ResNet, (2, 2, 2, 2))),
    ("resnet34", {}, partial(twins.ResNet, (3, 4, 6, 3))),
    ("resnet50", {}, partial(twins.ResNet, (3, 4, 6, 3), True)),
    ("resnet101", {}, partial(twins.ResNet, (3, 4, 23, 3), True)),
    ("resnet152", {}, partial(twins.ResNet, (3, 8, 36, 3), True)),
    ("alexnet", {}, twins.alexnet),
    ("alexnet", {"towers": 2, "response_norm": True}, partial(twins.alexnet, 2, True)),
    ("vgg11", {}, partial(twins.vgg, twins.A)),
    ("vgg16", {}, partial(twins.vgg, twins.D)),
    ("vgg11_bn", {}, partial(twins.vgg, twins.A, True)),
    ("vgg16_bn", {}, partial(twins.vgg, twins.D, True)),
    ("inception_v4", {}, twins.InceptionV4),
]


def images(*shape):
    return np.random.default_rng(1).standard_normal(shape).astype(np.float32)


def unset(build, *args, **options):
    """A network whose weights are still to come, at no cost."""
    with nn.init.skip():
        return build(*args, **options)


@pytest.mark.parametrize(("name", "options", "twin"), NETWORKS, ids=lambda v: v if isinstance(v, str) else "")
def test_keys_and_shapes(name, options, twin):
    with torch.device("meta"):  # no memory behind its weights
        theirs = twin().state_dict()
    ours = dict(unset(models.create, name, **options)._state())
    assert list(ours) == list(theirs)
    assert {k: v.shape for k, v in ours.items()} == {k: tuple(v.shape) for k, v in theirs.items()}


def check(theirs, ours, x, training):
    """Equal outputs, and equal gradients of x and of the first and last weight, in float32."""
    ours.load_state_dict(theirs.state_dict())
    theirs.train(training)
    ours.train(training)
    xt, xg = torch.tensor(x, requires_grad=True), Tensor(x, requires_grad=True)
    want, got = theirs(xt), ours(xg)
    scale = float(want.detach().abs().max())
    np.testing.assert_allclose(got.numpy(), want.detach().numpy(), rtol=0, atol=1e-4 * scale)
    gy = np.random.default_rng(2).standard_normal(want.shape).astype(np.float32)
    want.backward(torch.tensor(gy))
    got.backward(gy)
    weights = list(zip(theirs.parameters(), ours.parameters(), strict=True))
    for (a, b), what in ((w, "weight") for w in (weights[0], weights[-1])):
        close(b.gradient, a.grad.numpy(), what)
    close(xg.gradient, xt.grad.numpy(), "x")


def close(got, want, what):
    """To 1 % of the length: where a rounding turns a ReLU, single elements differ."""
    assert np.linalg.norm(got - want) <= 1e-2 * np.linalg.norm(want), what


CUT = [
    (partial(twins.ResNet, (1, 2, 1, 1)), partial(models.ResNet, models.BasicBlock, (1, 2, 1, 1))),
    (partial(twins.ResNet, (1, 2, 1, 1), True), partial(models.ResNet, models.Bottleneck, (1, 2, 1, 1))),
    (
        partial(twins.ResNet, (1, 2, 1, 1), True, "1"),
        partial(models.ResNet, partial(models.Bottleneck, version="1"), (1, 2, 1, 1)),
    ),
    (
        partial(twins.vgg, "8 M 8 M 16 8 M 8 M 8 M", num_classes=10),
        partial(models.VGG, ((8,), (8,), (16, 8), (8,), (8,)), 10, dropout=0.0),
    ),
    (
        partial(twins.vgg, "8 M 8 M 16 8 M 8 M 8 M", True, num_classes=10),
        partial(models.VGG, ((8,), (8,), (16, 8), (8,), (8,)), 10, batch_norm=True, dropout=0.0),
    ),
]


@pytest.mark.parametrize(("twin", "build"), CUT, ids=["basic", "bottleneck", "bottleneck v1", "vgg", "vgg bn"])
@pytest.mark.parametrize("training", [False, True], ids=["eval", "train"])
def test_networks_of_few_blocks(twin, build, training):
    torch.manual_seed(0)
    theirs = twin()
    for module in theirs.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    check(theirs, unset(build), images(2, 3, 64, 64), training)


@pytest.mark.parametrize(("towers", "norm"), [(1, False), (2, True)])
def test_features_of_alexnet(towers, norm):
    torch.manual_seed(0)
    ours = unset(models.alexnet, towers=towers, response_norm=norm)
    bright = 300 * images(1, 3, 95, 95)  # so that the normalisation's sum of squares counts beside its k
    check(twins.alexnet_features(towers, norm), ours.features, bright, True)


BLOCKS = [
    ("A", twins.block_a, models.InceptionA, (1, 384, 7, 6)),
    ("B", twins.block_b, models.InceptionB, (1, 1024, 5, 4)),
    ("C", twins.Forked, models.InceptionC, (1, 1536, 3, 2)),
]


@pytest.mark.parametrize(("twin", "build", "shape"), [b[1:] for b in BLOCKS], ids=[b[0] for b in BLOCKS])
def test_blocks_of_inception(twin, build, shape):
    torch.manual_seed(0)
    check(twin(), unset(build), images(*shape), True)


def test_inception_v4():
    torch.manual_seed(0)
    theirs, ours = twins.InceptionV4().eval(), unset(models.inception_v4).eval()
    ours.load_state_dict(theirs.state_dict())
    x = images(1, 3, 75, 75)
    with torch.no_grad():
        want = theirs(torch.tensor(x)).numpy()
    np.testing.assert_allclose(ours(x).numpy(), want, rtol=0, atol=1e-4 * np.abs(want).max())


def test_twenty_training_steps_of_a_bottleneck_network():
    """Equal losses from equal weights, in float64: in float32 one turned ReLU grows to 1 % of the loss."""
    torch.manual_seed(0)
    theirs = torch.nn.Sequential(
        *(twins.Neck(3, 4, 1, "B", "1.5"), twins.Neck(16, 4, 1, "B", "1.5"), twins.Neck(16, 8, 2, "B", "1.5")),
        *(torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.Linear(32, 5)),
    ).double()
    ours = nn.Sequential(
        *(models.Bottleneck(3, 4), models.Bottleneck(16, 4), models.Bottleneck(16, 8, 2)),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 5)),
    ).to("float64")
    ours.load_state_dict(theirs.state_dict())
    x, labels = images(10, 3, 8, 8).astype(np.float64), np.arange(10) % 5
    their_sgd = torch.optim.SGD(theirs.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4)
    our_sgd = optim.SGD(ours.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4)
    for _ in range(20):
        want = torch.nn.functional.cross_entropy(theirs(torch.tensor(x)), torch.tensor(labels))
        got = ops.cross_entropy(ours(Tensor(x)), labels)
        assert got.item() == pytest.approx(want.item(), rel=1e-6)
        for loss, sgd in ((want, their_sgd), (got, our_sgd)):
            sgd.zero_grad()
            loss.backward()
            sgd.step()
    assert want.item() < 0.5, "it learned"


def test_published_weights_load_from_a_file(tmp_path):
    """The way of torchvision's weights: saved from PyTorch, read into a network that drew none of its own."""
    save_file = pytest.importorskip("safetensors.torch", reason="safetensors is not installed").save_file
    torch.manual_seed(0)
    theirs, ours = twins.ResNet((2, 2, 2, 2)).eval(), unset(models.resnet18).eval()
    save_file(theirs.state_dict(), tmp_path / "resnet18.safetensors")
    models.load_safetensors(ours, tmp_path / "resnet18.safetensors")
    x = images(1, 3, 64, 64)
    with torch.no_grad():
        want = theirs(torch.tensor(x)).numpy()
    np.testing.assert_allclose(ours(x).numpy(), want, rtol=0, atol=1e-4 * np.abs(want).max())
    with pytest.raises(
        CheckpointError, match=r"missing: layer1.2.conv1.weight \(64, 64, 3, 3\), .*layer4.2.bn2.running_var"
    ):
        models.load_safetensors(unset(models.resnet34), tmp_path / "resnet18.safetensors")
