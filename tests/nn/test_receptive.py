"""Receptive fields in summary: against the literature's numbers, and against where gradients really arrive."""

from __future__ import annotations

import numpy as np
import pytest

from gpunn import Tensor, models, nn, ops
from gpunn.nn.overview import rows


def fields(model, shape):
    """name -> (size, step) of each layer's last call."""
    return {row.name: row.field and (row.field.size, row.field.step) for row in rows(model, shape)[0]}


def skipped(build, **options):
    with nn.init.skip():
        return build(**options)


# Araujo, Norris and Sim, "Computing receptive fields of convolutional neural networks" (Distill 2019), table 1, of the
# last layer before the global pooling; AlexNet's and VGG's are its "alexnet_v2" and "vgg_16".
@pytest.mark.parametrize(
    ("build", "layer", "size", "step"),
    [
        (models.alexnet, "features.12", 195, 32),
        (models.vgg16, "features.30", 212, 32),
        (models.resnet50, "layer4.2.bn3", 483, 32),
        (models.resnet101, "layer4.2.bn3", 1027, 32),
        (models.resnet152, "layer4.2.bn3", 1507, 32),
    ],
)
def test_published_fields(build, layer, size, step):
    options = {"version": "1"} if "resnet" in build.__name__ else {}
    got = fields(skipped(build, **options), (0, 3, 224, 224))[layer]
    assert got == ((size, size), (step, step))


def really(model, shape):
    """The extent of the input's gradient of one pixel in the middle: largest over channels."""
    x = Tensor(np.random.default_rng(0).random(shape) + 0.1, requires_grad=True)
    y = model.to("float64").eval()(x)
    gy = np.zeros(y.shape)
    gy[:, :, y.shape[2] // 2, y.shape[3] // 2] = 1
    y.backward(gy)
    hit = (x.gradient != 0).any(axis=(0, 1))
    return tuple(int(np.ptp(np.flatnonzero(hit.any(axis=axis))) + 1) for axis in (1, 0))


class Forks(nn.Module):
    """Branches that join by functions of ops, after a pooling that is a function as well."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(2, 4, 3, padding=1)
        self.wide = nn.Conv2d(4, 4, (1, 7), padding=(0, 3))
        self.tall = nn.Conv2d(4, 4, (5, 1), padding=(2, 0))
        self.last = nn.Conv2d(8, 4, 3, padding=1, dilation=1)

    def forward(self, x):
        x = ops.avg_pool2d(self.first(x), 2)
        x = ops.concatenate([ops.relu(self.wide(x)), self.tall(x)], axis=1)
        return self.last(x)


NETS = [
    nn.Sequential(nn.Conv2d(2, 3, 3, stride=2, dilation=2), nn.AvgPool2d(3, 2), nn.Conv2d(3, 3, (3, 1))),
    nn.Sequential(nn.Conv2d(2, 3, 3, 2), nn.ConvTranspose2d(3, 3, 5, stride=2), nn.Conv2d(3, 2, 3)),
    nn.Sequential(nn.Conv2d(2, 3, 3, 2), nn.Upsample(scale_factor=3), nn.Conv2d(3, 2, 4)),
    nn.Sequential(nn.AvgPool2d(2), nn.ReflectionPad2d(1), nn.Conv2d(2, 3, 3), nn.Tanh(), nn.LocalResponseNorm(3)),
    nn.Sequential(models.BasicBlock(2, 4, 2, shortcut="A"), models.Bottleneck(4, 4, 2)),
    Forks(),
]


@pytest.mark.parametrize("net", NETS, ids=["dilated", "transposed", "nearest", "padded", "residual", "forks"])
def test_fields_are_where_gradients_arrive(net):
    shape = (1, 2, 48, 48)
    for module in net.modules():  # nothing may vanish in a ReLU
        for parameter in module._own_parameters():
            parameter[1].array[...] = abs(parameter[1].array) + 0.01
    last = rows(net, shape)[0][-1].field
    got = really(net, shape)
    # A stride of 3 in nearest resampling meets a window of 4 at its widest place only every third pixel.
    slack = 2 if any(isinstance(m, (nn.Upsample, nn.ConvTranspose2d)) for m in net.modules()) else 0
    assert all(w - slack <= g <= w for g, w in zip(got, last.size, strict=True)), (got, last)


def test_global_pooling_sees_all_and_flat_layers_have_none():
    net = nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.AdaptiveAvgPool2d((1, 2)), nn.Flatten(), nn.Linear(4, 2))
    got = fields(net, (1, 1, 8, 8))
    assert got["1"] == ((10, 6), (8, 4)) and got["2"] is None and got["3"] is None


def test_lenet_5():
    """LeNet-5: 5 after C1, 14 after C3 (LeCun 1998, fig. 2: 5 + 1 + 4 * 2)."""
    for partial in (False, True):
        assert fields(models.lenet5(partial=partial), (1, 1, 28, 28))["conv2"] == ((14, 14), (2, 2))


def test_a_field_behind_a_function_that_shrank_the_image_is_marked():
    class Net(nn.Module):
        def __init__(self, pool):
            super().__init__()
            self.a, self.pool, self.b = nn.Conv2d(1, 2, 3), pool, nn.Conv2d(2, 2, 3)

        def forward(self, x):
            return self.b(self.pool(self.a(x)))

    guessed = Net(lambda x: ops.max_pool2d(x, 3, 2)).summary((1, 1, 16, 16)).splitlines()
    assert guessed[4].split()[-4:-2] == ["~8", "2"]  # 9 in truth: a window of 3 leaves no trace
    assert guessed[-1].startswith("~ behind a function, not a layer,")
    told = Net(nn.MaxPool2d(3, 2)).summary((1, 1, 16, 16)).splitlines()
    assert told[5].split()[-4:-2] == ["9", "2"] and told[-1].startswith("total")


def test_an_image_without_a_batch_has_no_field():
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.AvgPool2d(2))
    assert set(fields(net, (1, 8, 8)).values()) == {None}
    with pytest.raises(ValueError, match=r"BatchNorm2d: x has 3 dimensions \(16, 32, 32\), expected 4"):
        models.create("resnet20").summary((3, 32, 32))


# Of the last layer that gives an image, by r + (k - 1) j a layer, j the product of the strides before it. ResNets for
# CIFAR with 6 n + 2 layers have 28 n - 3, and 28 more behind the global pooling of 8x8. Inception-v4's has 2071 before
# that of 8x8 at a stride of 32.
LAST = {
    **{"mlp": None, "lenet5": 16, "lenet_20_50_500": 16, "lenet5_1998": 16},
    **{"alexnet_lite": 51, "inception_v4": 2071 + 7 * 32},
    **{f"resnet{6 * n + 2}": 28 * n - 3 + 28 for n in (3, 5, 7, 9, 18)},
    **{"resnet18": 435 + 6 * 32, "resnet34": 899 + 6 * 32, "resnet50": 427 + 6 * 32, "resnet101": 971 + 6 * 32},
    **{"resnet152": 1451 + 6 * 32, "alexnet": 195, "vgg11": 150, "vgg16": 212, "vgg11_bn": 150, "vgg16_bn": 212},
}


@pytest.mark.parametrize("name", models.names("classification"))
def test_every_network_has_its_table(name):
    model = skipped(models.create, name=name)
    found, _ = rows(model, (0, *models.input_shape(name)))
    assert sum(row.parameters for row in found) == sum(p.size for p in model.parameters())
    assert all((row.field is None) == (len(row.output) < 4) for row in found)
    last = [row.field for row in found if row.field is not None][-1:]
    assert [field.size for field in last] == ([] if LAST[name] is None else [(LAST[name],) * 2])
    assert all(field.sure for field in last)


def test_an_image_that_is_made_of_a_code_has_no_field():
    """Each of its pixels sees the whole of x: the field of the encoder's image of that size is not theirs."""
    found, _ = rows(skipped(models.create, name="conv_autoencoder"), (0, 1, 28, 28))
    fields = {row.name: row.field for row in found}
    assert fields["encoder.3"].size == (7, 7)
    assert {fields[f"decoder.{i}"] for i in range(7)} == {None}


def test_the_table_prints_them():
    net = nn.Sequential(nn.Conv1d(1, 2, 5, stride=2), nn.Identity(), nn.Dropout(0.5))
    lines = net.summary((4, 1, 11)).splitlines()
    assert lines[3].split()[-4:] == ["5", "2", "128", "B"]
    assert lines[4].split()[-4:] == ["5", "2", "0", "B"], "Identity gives x itself"
    assert lines[-1].split()[-2:] == ["128", "B"]
    wide = nn.Sequential(nn.Conv2d(1, 2, (1, 7)), nn.ConvTranspose2d(2, 2, 2, stride=2))
    assert [line.split()[-4:-2] for line in wide.summary((1, 1, 9, 9)).splitlines()[3:5]] == [
        ["1x7", "1"],
        ["1x7", "0.5"],
    ]
