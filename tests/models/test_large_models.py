"""The ImageNet networks: parameters and work as published, without their weights' cost; options, and refusals."""

from __future__ import annotations

import numpy as np
import pytest

import gpunn
from gpunn import Tensor, models, nn, no_grad, ops
from gpunn.errors import UsageError
from gpunn.models.lenet import C3_TABLE

TORCHVISION = "torchvision's table of pretrained weights (num_params, GFLOPS, which counts multiply-adds)"
# name, options, parameters, GMAC of one image, source
PUBLISHED = [
    ("resnet18", {}, 11_689_512, 1.81, TORCHVISION),
    ("resnet34", {}, 21_797_672, 3.66, TORCHVISION),
    ("resnet50", {}, 25_557_032, 4.09, TORCHVISION),
    ("resnet50", {"version": "1"}, 25_557_032, 3.86, "He 2015, table 1: 3.8e9"),
    ("resnet101", {}, 44_549_160, 7.80, TORCHVISION),
    ("resnet152", {}, 60_192_808, 11.51, TORCHVISION),
    ("alexnet", {}, 61_100_840, 0.71, TORCHVISION),
    ("alexnet", {"towers": 2, "response_norm": True}, 60_965_224, 0.72, "Sze et al. 2017, table II: 61 M, 724 M MACs"),
    ("vgg11", {}, 132_863_336, 7.61, TORCHVISION),
    ("vgg16", {}, 138_357_544, 15.47, TORCHVISION),
    ("vgg11_bn", {}, 132_868_840, 7.61, TORCHVISION),
    ("vgg16_bn", {}, 138_365_992, 15.47, TORCHVISION),
    ("inception_v4", {}, 42_679_816, 12.25, "timm's table of results: 42.68 M; 12.28 with batch norm's work"),
    ("resnet32", {}, 464_154, 0.069, "He 2015, table 6: 0.46 M"),
    ("resnet44", {}, 658_586, 0.097, "He 2015, table 6: 0.66 M"),
    ("resnet56", {}, 853_018, 0.125, "He 2015, table 6: 0.85 M"),
    ("resnet110", {}, 1_727_962, 0.253, "He 2015, table 6: 1.7 M"),
]
IDS = [name + "".join(f" {k} {v}" for k, v in options.items()) for name, options, *_ in PUBLISHED]


def multiply_adds(model, image):
    """Of one image. A batch of none runs through, so that shapes are all that is computed."""
    found = []
    for module in model.modules():
        if not list(module.children()):
            module.register_forward_hook(
                lambda m, args, y: found.append(m.flops((1, *args[0].shape[1:]), (1, *y.shape[1:])) // 2)
            )
    with no_grad():
        y = model.eval()(np.zeros((0, *image), np.float32))
    return sum(found), y.shape


@pytest.mark.parametrize(("name", "options", "parameters", "gmac", "source"), PUBLISHED, ids=IDS)
def test_parameters_and_work_are_the_published_ones(name, options, parameters, gmac, source):
    with nn.init.skip():  # memory that nobody writes to is not taken
        model = models.create(name, **options)
    assert sum(p.size for p in model.parameters()) == parameters, source
    macs, shape = multiply_adds(model, models.input_shape(name))
    digits = 2 if gmac > 0.3 else 3
    assert round(macs / 1e9, digits) == gmac, f"{macs:,} multiply-adds; {source}"
    assert shape == (0, 10 if models.input_shape(name)[1] == 32 else 1000)


@pytest.mark.parametrize("name", ["resnet34", "resnet50", "resnet56"])
def test_zero_init_residual_starts_as_identity(name):
    if name == "resnet56":
        with pytest.raises(UsageError, match="unknown option of resnet56 'zero_init_residual'; choose from shortcut"):
            models.create(name, zero_init_residual=True)
        return
    with nn.init.skip():
        model = models.create(name, zero_init_residual=True)
        plain = models.create(name)
    blocks = [m for m in model.modules() if isinstance(m, models.BasicBlock | models.Bottleneck)]
    assert len(blocks) == 16 and not any(b.last_norm.weight.array.any() for b in blocks)
    assert all((b.bn1.weight.array == 1).all() for b in blocks)
    assert all((m.weight.array == 1).all() for m in plain.modules() if isinstance(m, nn.BatchNorm2d))


def test_blocks_alone():
    x = np.random.default_rng(0).standard_normal((2, 8, 6, 6)).astype(np.float32)
    for block, channels in (
        (models.BasicBlock(8, 12, 2), 12),
        (models.BasicBlock(8, 12, 2, shortcut="A"), 12),
        (models.Bottleneck(8, 4, 2), 16),
        (models.Bottleneck(8, 4, 2, version="1", shortcut="A"), 16),
        (models.Bottleneck(8, 2), 8),
    ):
        y = block(Tensor(x, requires_grad=True))
        side = 6 if block.conv1.in_channels == channels else 3
        assert y.shape == (2, channels, side, side) and block.out_channels == channels
        y.sum().backward()
    assert models.Bottleneck(8, 2).downsample is None


@pytest.mark.parametrize(
    ("name", "where"),
    [
        ("alexnet", {"classifier.0": 0.5, "classifier.3": 0.5}),
        ("alexnet_lite", {"classifier.0": 0.5, "classifier.3": 0.5}),
        ("vgg16", {"classifier.2": 0.5, "classifier.5": 0.5}),
        ("inception_v4", {"dropout": 0.2}),  # Szegedy 2016, figure 9: keep 0.8
        ("resnet18", {}),
    ],
)
def test_dropout_stands_where_published(name, where):
    with nn.init.skip():
        models_ = (models.create(name), models.create(name, **({"dropout": 0.1} if where else {})))
    for model, p in zip(models_, (None, 0.1), strict=True):
        found = {key: module.p for key, module in model.named_modules() if isinstance(module, nn.Dropout)}
        assert found == {key: p or default for key, default in where.items()}


def test_vgg_starts_as_torchvisions():
    model = models.VGG(((64,), (8,)), num_classes=500)
    conv, linear = model.features[0], model.classifier[3]
    assert conv.weight.array.std() == pytest.approx((2 / (64 * 9)) ** 0.5, rel=0.05) and not conv.bias.array.any()
    assert linear.weight.array.std() == pytest.approx(0.01, rel=0.01) and not linear.bias.array.any()


# LeCun et al. 1998, table I: a row for each of S2's maps, a cross where C3's map reads it.
TABLE_I = (
    *("X...XXX..XXXX.XX", "XX...XXX..XXXX.X", "XXX...XXX..X.XXX"),
    *(".XXX..XXXX..X.XX", "..XXX..XXXX.XX.X", "...XXX..XXXX.XXX"),
)


def test_the_papers_connection_table():
    """LeCun 1998: C3 has 1,516 parameters, 151,600 connections; 60,000 in all with 44 of pooling, without the 850."""
    model = models.lenet5(partial=True)
    c3 = model.conv2
    assert c3.weight.size + c3.bias.size == 1516
    assert c3.flops((1, 6, 14, 14), (1, 16, 10, 10)) // 2 + 16 * 100 == 151_600
    assert sum(p.size for p in model.parameters()) - 850 + 44 == 60_000
    assert tuple("".join(".X"[c in row] for row in C3_TABLE) for c in range(6)) == TABLE_I


def test_the_papers_connections():
    """LeCun 1998, section II.B: 340,908, those from a bias too; the output layer has none there."""
    macs, _ = multiply_adds(models.lenet5(partial=True), (1, 28, 28))
    biases = 6 * 28**2 + 16 * 10**2 + 120 + 84
    pooling = 5 * (6 * 14**2 + 16 * 5**2)  # S2 and S4, trained in the paper: four inputs and a bias
    assert macs + biases + pooling == 340_908


ROWS = ((0, 2), (2, 3), (3, 6))  # of the weight, for each output of the table below


def test_table_convolution_is_a_masked_convolution():
    table = ((0, 2), (1,), (0, 1, 2))
    gpunn.manual_seed(0)
    layer = models.TableConv2d(table, 3)
    x = np.random.default_rng(0).standard_normal((2, 3, 6, 6)).astype(np.float32)
    full, first = np.zeros((3, 3, 3, 3), np.float32), 0
    for k, row in enumerate(table):
        for c in row:
            full[k, c] = layer.weight.array[first]
            first += 1
    dense = Tensor(full, requires_grad=True)
    want = ops.conv2d(x, dense, layer.bias.array)
    got = layer(x)
    np.testing.assert_allclose(got.numpy(), want.numpy(), rtol=1e-6)
    got.sum().backward()
    want.sum().backward()
    picked = np.stack([dense.gradient[k, c] for k, row in enumerate(table) for c in row])
    np.testing.assert_allclose(layer.weight.gradient, picked, rtol=1e-5)
    assert list(layer.state_dict()) == ["weight", "bias"]
    reach = [max(np.abs(layer.weight.array[a:b]).max(), abs(layer.bias.array[k])) for k, (a, b) in enumerate(ROWS)]
    assert all(0.5 < r * (9 * (b - a)) ** 0.5 <= 1 for r, (a, b) in zip(reach, ROWS, strict=True)), "each by its fan_in"
    assert layer.bias.array.all()
    assert repr(layer) == "TableConv2d(3->3, 3x3, 6 of 9 connections)"


def test_the_smallest_images():
    for name, smallest in (("alexnet", 63), ("vgg11", 32), ("inception_v4", 75)):
        assert models.takes_size(name, smallest) and not models.takes_size(name, smallest - 1)
        with nn.init.skip():
            model = models.create(name).eval()
        assert model(np.zeros((0, 3, smallest, smallest), np.float32)).shape == (0, 1000)
        with pytest.raises(ValueError, match=r"_?pool2d: the window|conv2d: the window"):
            model(np.zeros((0, 3, smallest - 1, smallest - 1), np.float32))


def test_unknown_options_get_the_nearest():
    with pytest.raises(UsageError, match=r"unknown option of resnet50 'verison'; did you mean 'version'\? choose"):
        models.create("resnet50", verison="1")
    with pytest.raises(UsageError, match=r"unknown option of alexnet 'groups'; .*choose from dropout, towers"):
        models.create("alexnet", groups=2)
    with pytest.raises(UsageError, match=r"unknown model 'resnet51'; did you mean 'resnet5\d'\?"):
        models.create("resnet51")


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: models.alexnet(towers=3), "AlexNet: towers is 3, expected 1 .one tower. or 2"),
        (lambda: models.Bottleneck(8, 4, version="2"), "Bottleneck: version is '2'; expected '1' .* or '1.5'"),
        (lambda: models.Bottleneck(8, 4, shortcut="C"), "Bottleneck: shortcut is 'C'; expected 'A' .* or 'B'"),
        (lambda: models.BasicBlock(8, 4, shortcut="A"), "PadShortcut: channels is 4, expected at least .* 8"),
        (lambda: models.TableConv2d(((0, 0),), 3), "TableConv2d: table is .* expected different channels from 0"),
        (lambda: models.TableConv2d(((0, 3),), 3, in_channels=2), "table names channel 3, but in_channels is 2"),
    ],
)
def test_errors(call, words):
    with pytest.raises(ValueError, match=words):
        call()
