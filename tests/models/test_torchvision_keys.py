"""The names of torchvision's published weights, written out from its files: neither our networks nor the twins say so.

`numbers` below are the places in `features` and `classifier` at which torchvision's weights have a layer with state.
"""

from __future__ import annotations

import pytest

from gpunn import models, nn

PAIR = ("weight", "bias")
NORM = (*PAIR, "running_mean", "running_var", "num_batches_tracked")


def names(prefix, parts):
    return [f"{prefix}.{part}" for part in parts]


def sequential(features, classifier, norms=()):
    found = []
    for i in features:
        found += names(f"features.{i}", NORM if i in norms else PAIR)
    return found + [name for i in classifier for name in names(f"classifier.{i}", PAIR)]


def resnet(blocks, convolutions):
    """The stem; each block's convolutions and norms, then what brings its input to the new shape; the head."""
    found = ["conv1.weight", *names("bn1", NORM)]
    for stage, count in enumerate(blocks, start=1):
        for i in range(count):
            block = f"layer{stage}.{i}"
            for j in range(1, convolutions + 1):
                found += [f"{block}.conv{j}.weight", *names(f"{block}.bn{j}", NORM)]
            if i == 0 and (stage > 1 or convolutions == 3):
                found += [f"{block}.downsample.0.weight", *names(f"{block}.downsample.1", NORM)]
    return found + names("fc", PAIR)


VGG16_BN = [0, 1, 3, 4, 7, 8, 10, 11, 14, 15, 17, 18, 20, 21, 24, 25, 27, 28, 30, 31, 34, 35, 37, 38, 40, 41]
VGG11_BN = [0, 1, 4, 5, 8, 9, 11, 12, 15, 16, 18, 19, 22, 23, 25, 26]
# network, keys, how many, one key's shape
PUBLISHED = [
    ("alexnet", sequential((0, 3, 6, 8, 10), (1, 4, 6)), 16, ("classifier.1.weight", (4096, 9216))),
    ("vgg11", sequential((0, 3, 6, 8, 11, 13, 16, 18), (0, 3, 6)), 22, ("classifier.0.weight", (4096, 25088))),
    (
        "vgg16",
        sequential((0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28), (0, 3, 6)),
        32,
        ("features.28.weight", (512, 512, 3, 3)),
    ),
    ("vgg11_bn", sequential(VGG11_BN, (0, 3, 6), VGG11_BN[1::2]), 62, ("features.26.running_var", (512,))),
    ("vgg16_bn", sequential(VGG16_BN, (0, 3, 6), VGG16_BN[1::2]), 97, ("features.41.num_batches_tracked", ())),
    ("resnet18", resnet((2, 2, 2, 2), 2), 122, ("layer2.0.downsample.0.weight", (128, 64, 1, 1))),
    ("resnet34", resnet((3, 4, 6, 3), 2), 218, ("layer4.2.conv2.weight", (512, 512, 3, 3))),
    ("resnet50", resnet((3, 4, 6, 3), 3), 320, ("layer1.0.downsample.0.weight", (256, 64, 1, 1))),
    ("resnet101", resnet((3, 4, 23, 3), 3), 626, ("layer3.22.conv3.weight", (1024, 256, 1, 1))),
    ("resnet152", resnet((3, 8, 36, 3), 3), 932, ("fc.weight", (1000, 2048))),
]


@pytest.mark.parametrize(("name", "keys", "count", "sample"), PUBLISHED, ids=[name for name, *_ in PUBLISHED])
def test_keys_are_torchvisions(name, keys, count, sample):
    with nn.init.skip():
        state = dict(models.create(name)._state())  # no copies of half a gigabyte
    assert list(state) == keys and len(keys) == count
    assert state[sample[0]].shape == sample[1]
