"""The networks by name: how many parameters, what they refuse."""

from __future__ import annotations

import numpy as np
import pytest

from gpunn import models, nn
from gpunn.engine.tensor import Tensor
from gpunn.errors import UsageError

# name, options, parameters, source
COUNTS = [
    ("mlp", {}, 784 * 500 + 500 + 500 * 150 + 150 + 150 * 10 + 10, "counted layer by layer"),
    ("lenet5", {}, 61_706, "LeCun 1998 fig. 2 with full connections: 156 + 2416 + 48120 + 10164 + 850"),
    ("lenet_20_50_500", {}, 431_080, "Caffe's LeNet: 520 + 25050 + 400500 + 5010"),
    ("alexnet_lite", {}, 611_082, "2432 + 51264 + 73856 + 110688 + 83040 + 221440 + 65792 + 2570"),
    ("resnet20", {}, 269_722, "He 2015 table 6: 0.27 M; option A has no more"),
    ("resnet20", {"shortcut": "B"}, 269_722 + 16 * 32 + 64 + 32 * 64 + 128, "two 1x1 projections with batch norm"),
    ("lenet5", {"partial": True}, 60_806, "LeCun 1998 table I: 1516 in place of 2416"),
    ("resnet18", {}, 11_689_512, "torchvision's table of pretrained weights"),
]


@pytest.mark.parametrize(("name", "options", "count", "source"), COUNTS)
def test_parameter_count(name, options, count, source):
    with nn.init.skip():
        model = models.create(name, **options)
    assert sum(p.size for p in model.parameters()) == count, source


# These have more weights than a quick test should touch; test_large_parity has their blocks, test_unet a small one.
LARGE = (
    *("resnet34", "resnet50", "resnet101", "resnet152"),
    *("alexnet", "vgg11", "vgg16", "vgg11_bn", "vgg16_bn", "inception_v4", "unet"),
)
# These do not name images of as many classes as one likes; each has a file of its own.
OTHERS = ("lenet5_1998", *(name for name in models.names() if models.task(name) != "classification"))


@pytest.mark.parametrize("name", [name for name in models.names() if name not in (*LARGE, *OTHERS)])
def test_forward_backward(name):
    channels, height, width = models.input_shape(name)
    size = (2, channels, min(height, 64), min(width, 64))
    model = models.create(name, num_classes=7)
    y = model(Tensor(np.random.default_rng(0).normal(size=size).astype(np.float32)))
    assert y.shape == (2, 7)
    y.sum().backward()
    for key, parameter in model.named_parameters():
        assert parameter.gradient is not None and np.isfinite(parameter.gradient).all(), key


def test_in_channels():
    model = models.create("resnet20", in_channels=1)
    assert model(np.zeros((1, 1, 28, 28), np.float32)).shape == (1, 10)


def test_zero_init_residual_starts_as_identity():
    model = models.resnet18(num_classes=10, zero_init_residual=True)
    gammas = [m.bn2.weight.array for m in model.modules() if isinstance(m, models.BasicBlock)]
    assert len(gammas) == 8 and all((g == 0).all() for g in gammas)
    gammas = [m.bn2.weight.array for m in models.resnet18(10).modules() if isinstance(m, models.BasicBlock)]
    assert all((g == 1).all() for g in gammas)


def test_he_initialisation():
    model = models.resnet18(num_classes=10)
    assert model.layer4[1].conv2.weight.array.std() == pytest.approx((2 / (512 * 9)) ** 0.5, rel=0.01)
    assert model.conv1.weight.array.std() == pytest.approx((2 / (64 * 49)) ** 0.5, rel=0.05), "of the outputs, fan_out"
    assert isinstance(models.resnet20().layer2[0].downsample, nn.Module)


def test_unknown_name_gets_the_nearest():
    with pytest.raises(
        UsageError, match=r"unknown model 'resnet_20'; did you mean 'resnet20'\? choose from mlp, lenet5"
    ):
        models.create("resnet_20")
    with pytest.raises(UsageError, match=r"unknown model 'zzz'; choose from mlp"):
        models.input_shape("zzz")


def test_unknown_shortcut():
    with pytest.raises(ValueError, match=r"BasicBlock: shortcut is 'C'; expected 'A' .* or 'B'"):
        models.resnet20(shortcut="C")


def test_a_design_says_how_many_classes():
    with nn.init.skip():
        assert models.create("resnet20").fc.out_features == 10
        assert models.create("resnet18").fc.out_features == 1000
