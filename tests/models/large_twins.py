"""PyTorch re-implementations of the ImageNet networks, from the papers' tables, with the names of published weights."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from tests.models.twins import Block


class Neck(nn.Module):
    def __init__(self, before, width, stride, option, version):
        super().__init__()
        s1, s2 = (stride, 1) if version == "1" else (1, stride)
        self.conv1, self.bn1 = nn.Conv2d(before, width, 1, s1, bias=False), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = nn.Conv2d(width, width, 3, s2, 1, bias=False), nn.BatchNorm2d(width)
        self.conv3, self.bn3 = nn.Conv2d(width, 4 * width, 1, bias=False), nn.BatchNorm2d(4 * width)
        if (stride, before) != (1, 4 * width):
            self.downsample = nn.Sequential(
                nn.Conv2d(before, 4 * width, 1, stride, bias=False), nn.BatchNorm2d(4 * width)
            )

    def forward(self, x):
        y = torch.relu(self.bn1(self.conv1(x)))
        y = torch.relu(self.bn2(self.conv2(y)))
        return torch.relu(self.bn3(self.conv3(y)) + (self.downsample(x) if hasattr(self, "downsample") else x))


class ResNet(nn.Module):
    def __init__(self, counts, neck=False, version="1.5", num_classes=1000):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64)
        before = 64
        for i, count in enumerate(counts):
            width, out = 64 * 2**i, 64 * 2**i * (4 if neck else 1)
            made = []
            for j in range(count):
                stride = 2 if i and not j else 1
                make = (lambda b, w, s: Neck(b, w, s, "B", version)) if neck else (lambda b, w, s: Block(b, w, s, "B"))
                made.append(make(before, width, stride))
                before = out
            setattr(self, f"layer{i + 1}", nn.Sequential(*made))
        self.fc = nn.Linear(before, num_classes)

    def forward(self, x):
        x = F.max_pool2d(torch.relu(self.bn1(self.conv1(x))), 3, 2, 1)
        return self.fc(self.layer4(self.layer3(self.layer2(self.layer1(x)))).mean((2, 3)))


def alexnet_features(towers, norm):
    a, b, c, d, e = (64, 192, 384, 256, 256) if towers == 1 else (96, 256, 384, 384, 256)
    layers = [
        *[("0", nn.Conv2d(3, a, 11, 4, 2)), ("1", nn.ReLU()), ("n1", nn.LocalResponseNorm(5, 5e-4, 0.75, 2))],
        *[("2", nn.MaxPool2d(3, 2)), ("3", nn.Conv2d(a, b, 5, 1, 2, groups=towers)), ("4", nn.ReLU())],
        *[("n4", nn.LocalResponseNorm(5, 5e-4, 0.75, 2)), ("5", nn.MaxPool2d(3, 2))],
        *[("6", nn.Conv2d(b, c, 3, 1, 1)), ("7", nn.ReLU()), ("8", nn.Conv2d(c, d, 3, 1, 1, groups=towers))],
        *[("9", nn.ReLU()), ("10", nn.Conv2d(d, e, 3, 1, 1, groups=towers)), ("11", nn.ReLU())],
        ("12", nn.MaxPool2d(3, 2)),
    ]
    features = nn.Sequential()
    for name, layer in layers:
        if norm or not name.startswith("n"):
            features.add_module(name, layer)
    return features


class Classified(nn.Module):
    """Features, pooled to a grid, and three linear layers; `drop` says where the first dropout stands."""

    def __init__(self, features, inputs, side, drop_first, num_classes=1000):
        super().__init__()
        self.features, self.side = features, side
        first, second, last = nn.Linear(inputs * side**2, 4096), nn.Linear(4096, 4096), nn.Linear(4096, num_classes)
        ordered = [nn.Dropout(), first, nn.ReLU(), nn.Dropout(), second, nn.ReLU(), last]
        if not drop_first:
            ordered = [first, nn.ReLU(), nn.Dropout(), second, nn.ReLU(), nn.Dropout(), last]
        self.classifier = nn.Sequential(*ordered)

    def forward(self, x):
        return self.classifier(F.adaptive_avg_pool2d(self.features(x), self.side).flatten(1))


def alexnet(towers=1, norm=False):
    return Classified(alexnet_features(towers, norm), 256, 6, True)


def vgg(column, norm=False, num_classes=1000):
    layers, before = [], 3
    for entry in column.split():
        if entry == "M":
            layers.append(nn.MaxPool2d(2))
            continue
        layers += [nn.Conv2d(before, int(entry), 3, 1, 1), *([nn.BatchNorm2d(int(entry))] * norm), nn.ReLU()]
        before = int(entry)
    return Classified(nn.Sequential(*layers), before, 7, False, num_classes)


A = "64 M 128 M 256 256 M 512 512 M 512 512 M"
D = "64 64 M 128 128 M 256 256 256 M 512 512 512 M 512 512 512 M"


class Conv(nn.Module):
    """Convolution, batch norm, ReLU; padding keeps the size unless `valid`."""

    def __init__(self, before, after, size=1, stride=1, valid=False):
        super().__init__()
        size = (size, size) if isinstance(size, int) else size
        padding = (0, 0) if valid else tuple(k // 2 for k in size)
        self.conv = nn.Conv2d(before, after, size, stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(after, eps=1e-3)

    def forward(self, x):
        return torch.relu(self.bn(self.conv(x)))


class Mixed(nn.Module):
    """Named branches, joined."""

    def __init__(self, **branches):
        super().__init__()
        for name, branch in branches.items():
            setattr(self, name, branch)

    def forward(self, x):
        return torch.cat([branch(x) for branch in self.children()], 1)


class Forked(nn.Module):
    def __init__(self):
        super().__init__()
        self.branch0 = Conv(1536, 256)
        self.branch1_0, self.branch1_1a, self.branch1_1b = (
            Conv(1536, 384),
            Conv(384, 256, (1, 3)),
            Conv(384, 256, (3, 1)),
        )
        self.branch2_0, self.branch2_1 = Conv(1536, 384), Conv(384, 448, (3, 1))
        self.branch2_2, self.branch2_3a = Conv(448, 512, (1, 3)), Conv(512, 256, (1, 3))
        self.branch2_3b, self.branch3 = Conv(512, 256, (3, 1)), chain(mean(), Conv(1536, 256))

    def forward(self, x):
        one, two = self.branch1_0(x), self.branch2_2(self.branch2_1(self.branch2_0(x)))
        parts = [self.branch0(x), self.branch1_1a(one), self.branch1_1b(one)]
        return torch.cat([*parts, self.branch2_3a(two), self.branch2_3b(two), self.branch3(x)], 1)


def chain(*layers):
    return nn.Sequential(*layers)


def mean():
    return nn.AvgPool2d(3, 1, 1, count_include_pad=False)


def block_a():
    return Mixed(
        branch0=Conv(384, 96),
        branch1=chain(Conv(384, 64), Conv(64, 96, 3)),
        branch2=chain(Conv(384, 64), Conv(64, 96, 3), Conv(96, 96, 3)),
        branch3=chain(mean(), Conv(384, 96)),
    )


def block_b():
    row, column = (1, 7), (7, 1)
    long = [Conv(192, 192, column), Conv(192, 224, row), Conv(224, 224, column), Conv(224, 256, row)]
    return Mixed(
        branch0=Conv(1024, 384),
        branch1=chain(Conv(1024, 192), Conv(192, 224, row), Conv(224, 256, column)),
        branch2=chain(Conv(1024, 192), *long),
        branch3=chain(mean(), Conv(1024, 128)),
    )


class InceptionV4(nn.Module):
    def __init__(self):
        super().__init__()
        row, column = (1, 7), (7, 1)
        split = chain(Conv(160, 64), Conv(64, 64, row), Conv(64, 64, column), Conv(64, 96, 3, valid=True))
        shrink = chain(Conv(384, 192), Conv(192, 224, 3), Conv(224, 256, 3, 2, True))
        last = chain(Conv(1024, 256), Conv(256, 256, row), Conv(256, 320, column), Conv(320, 320, 3, 2, True))
        self.features = nn.Sequential(
            *(Conv(3, 32, 3, 2, True), Conv(32, 32, 3, valid=True), Conv(32, 64, 3)),
            Mixed(maxpool=nn.MaxPool2d(3, 2), conv=Conv(64, 96, 3, 2, True)),
            Mixed(branch0=chain(Conv(160, 64), Conv(64, 96, 3, valid=True)), branch1=split),
            Mixed(conv=Conv(192, 192, 3, 2, True), maxpool=nn.MaxPool2d(3, 2)),
            *(block_a() for _ in range(4)),
            Mixed(branch0=Conv(384, 384, 3, 2, True), branch1=shrink, branch2=nn.MaxPool2d(3, 2)),
            *(block_b() for _ in range(7)),
            Mixed(branch0=chain(Conv(1024, 192), Conv(192, 192, 3, 2, True)), branch1=last, branch2=nn.MaxPool2d(3, 2)),
            *(Forked() for _ in range(3)),
        )
        self.last_linear = nn.Linear(1536, 1000)

    def forward(self, x):
        return self.last_linear(self.features(x).mean((2, 3)))
