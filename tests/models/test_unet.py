"""U-Net: the paper's sizes, values and gradients beside PyTorch's layers, and images that it cannot halve."""

from __future__ import annotations

import numpy as np
import pytest

import gpunn
from gpunn import models, nn, ops
from gpunn.engine.tensor import Tensor
from tests.ops.conftest import place as place

OPTIONS = [
    {"depth": 2, "width": 3, "padding": "valid"},
    {"depth": 2, "width": 2, "padding": "same", "batch_norm": True},
    {"depth": 1, "width": 4, "padding": "valid", "up": "bilinear"},
    {"depth": 2, "width": 2, "up": "nearest"},
]


def test_the_papers_network():
    with nn.init.skip():
        model = models.unet(padding="valid")
    assert sum(p.size for p in model.parameters()) == 31_030_658
    assert model.output_size(572) == 388
    assert model.head.weight.shape == (2, 64, 1, 1)
    deepest = model.down[4].conv2.weight
    assert deepest.shape == (1024, 1024, 3, 3)
    first = models.unet(depth=1, width=64).down[1].conv2.weight.array
    assert first.std() == pytest.approx((2 / (128 * 9)) ** 0.5, rel=0.02)


@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("depth", [1, 2])
def test_it_takes_every_size_that_it_says_and_no_other(padding, depth):
    model = models.unet(3, 1, depth=depth, width=1, padding=padding)
    taken = []
    for side in range(1, 62):
        if model.size_for(side) != side:
            assert model.size_for(side) in range(side + 1, 65)
            with pytest.raises(ValueError, match=f"{side} pixels wide, expected .* to {model.size_for(side)}$"):
                model.output_size(side)
            continue
        taken.append(side)
        if side < 48:
            size = 64 if depth == 1 else model.size_for(40)  # another height than width
            y = model(np.zeros((1, 1, size, side), np.float32))
            assert y.shape == (1, 3, model.output_size(size), model.output_size(side))
    step = 1 << depth
    assert (
        taken
        == {
            ("same", 1): [*range(2, 62, step)],
            ("same", 2): [*range(4, 62, step)],
            ("valid", 1): [*range(18, 62, step)],
            ("valid", 2): [*range(44, 62, step)],
        }[padding, depth]
    )


@pytest.mark.parametrize(
    ("shape", "options", "words"),
    [
        (
            (1, 1, 188, 570),
            {"padding": "valid"},
            r"UNet: x is 570 pixels wide, expected a side that leaves a score and halves evenly 4 times, "
            r"each after a loss of 4; pad or scale the image to 572$",
        ),
        ((1, 1, 28, 28), {"padding": "valid"}, r"UNet: x is 28 pixels high, .* to 188$"),
        ((1, 1, 40, 64), {}, r"x is 40 pixels high, .* halves evenly 4 times; pad .* to 48$"),
        ((1, 1, 0, 64), {}, r"x is 0 pixels high, .* to 16$"),
        ((1, 64, 64), {}, r"UNet: x is \(1, 64, 64\), expected \(N, C, H, W\); add a batch of one"),
    ],
)
def test_images_that_do_not_fit(shape, options, words):
    model = models.unet(width=1, **options)
    with pytest.raises(ValueError, match=words):
        model(np.zeros(shape, np.float32))


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"depth": 0}, ValueError, "UNet: depth is 0, expected at least 1"),
        ({"width": 2.5}, TypeError, "UNet: width is 2.5, expected an int"),
        ({"padding": "full"}, ValueError, "UNet: padding is 'full', expected one of 'same', 'valid'"),
        ({"up": "cubic"}, ValueError, "UNet: up is 'cubic', expected one of 'transpose', 'nearest', 'bilinear'"),
    ],
)
def test_options_that_there_are_not(options, error, words):
    with pytest.raises(error, match=words):
        models.unet(**options)


def test_fused_it_scores_the_same():
    model = models.unet(3, 3, depth=1, width=4, padding="same", batch_norm=True).eval()
    x = np.random.default_rng(0).normal(size=(2, 3, 8, 8)).astype(np.float32)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.array[:] = 0.3
    want = model(x)
    np.testing.assert_allclose(nn.fuse(model)(x), want, rtol=1e-4, atol=1e-5)
    assert model(x[:0]).shape == (0, 3, 8, 8)


@pytest.mark.parametrize("options", OPTIONS, ids=lambda options: "-".join(map(str, options.values())))
def test_values_and_gradients_are_pytorchs(options):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    from tests.models.unet_twin import UNet

    torch.manual_seed(0)
    theirs, ours = UNet(3, 2, **options).double(), models.unet(3, 2, **options).to(np.dtype(np.float64))
    assert list(theirs.state_dict()) == list(ours.state_dict())
    ours.load_state_dict(theirs.state_dict())
    side = ours.size_for(20)
    x = np.random.default_rng(0).normal(size=(2, 2, side, side + (1 << ours.depth)))
    want, got = theirs(torch.from_numpy(x)), ours(Tensor(x))
    np.testing.assert_allclose(got.array, want.detach().numpy(), rtol=1e-9, atol=1e-12)
    labels = np.random.default_rng(1).integers(0, 3, (2, *want.shape[2:]))
    torch.nn.functional.cross_entropy(want, torch.from_numpy(labels)).backward()
    ops.cross_entropy(got, labels).backward()
    for (key, value), parameter in zip(theirs.named_parameters(), ours.parameters(), strict=True):
        assert value.grad is not None
        np.testing.assert_allclose(gpunn.to_numpy(parameter.gradient), value.grad.numpy(), 1e-7, 1e-12, err_msg=key)


def test_by_name_sizes_follow_the_options():
    assert models.task("unet") == "segmentation" and models.options_of("unet")["depth"] == 4
    assert models.size_for("unet", 60) == 64 and models.takes_size("unet", 64)
    valid = {"padding": "valid", "depth": 2}
    assert models.size_for("unet", 60, valid) == 60 and not models.takes_size("unet", 62, valid)
    model = models.create("unet", num_classes=3, in_channels=3, width=2, **valid)
    assert model(np.zeros((1, 3, 60, 60), np.float32)).shape == (1, 3, 20, 20)


def test_a_device_has_the_same_scores_and_gradients(place):
    gpunn.manual_seed(0)
    model = models.unet(3, 2, depth=1, width=2, padding="valid", batch_norm=True)
    x, mask = np.random.default_rng(0).normal(size=(2, 2, 20, 22)).astype(np.float32), np.zeros((2, 4, 6), int)
    found = []
    for where in ("cpu", place):
        model.to(where).zero_grad()
        y = model(Tensor(gpunn.to_device(x, where)))
        ops.dice_loss(y, gpunn.to_device(mask, where)).backward()
        found.append([y.numpy(), *(gpunn.to_numpy(p.gradient) for p in model.parameters())])
    for got, want in zip(found[1], found[0], strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-3, atol=1e-5 * max(1, np.abs(want).max()))
