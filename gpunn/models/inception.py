"""Inception-v4 (Szegedy et al. 2016, "Inception-v4, Inception-ResNet and the impact of residual connections").

The blocks are figures 3 to 9 of the paper. Layout and keys are those of the published PyTorch weights (Cadene's
``inceptionv4``, which timm took over): ``features.0.conv``, ``features.6.branch1.0.bn`` ..., ``last_linear``.
"""

from __future__ import annotations

from typing import Any

from gpunn import nn, ops
from gpunn.checks import Ints
from gpunn.engine.tensor import Tensor


class ConvNorm(nn.Module):
    """A convolution without bias, batch norm and ReLU in one pass."""

    def __init__(self, in_channels: int, channels: int, kernel_size: Ints, stride: int = 1, padding: Ints = 0):
        super().__init__()
        self.conv = nn.Conv2d(in_channels, channels, kernel_size, stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(channels, eps=0.001)

    def forward(self, x: Tensor) -> Tensor:
        return self.bn(self.conv(x), relu=True)


ROW: dict[str, Any] = {"kernel_size": (1, 7), "padding": (0, 3)}
COLUMN: dict[str, Any] = {"kernel_size": (7, 1), "padding": (3, 0)}


def _average(in_channels: int, channels: int) -> nn.Sequential:
    """The pooling branch of blocks A, B and C: 3x3 means of the pixels inside the image, then 1x1."""
    pool = nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False)
    return nn.Sequential(pool, ConvNorm(in_channels, channels, 1))


class _Branches(nn.Module):
    """branch0, branch1 ... side by side, their channels joined."""

    def forward(self, x: Tensor) -> Tensor:
        return ops.concatenate([branch(x) for branch in self.children()], axis=1)


class StemPool(_Branches):
    """Figure 3: maximum and convolution of stride 2; 64 channels to 160."""

    def __init__(self):
        super().__init__()
        self.maxpool = nn.MaxPool2d(3, 2)
        self.conv = ConvNorm(64, 96, 3, stride=2)


class StemSplit(_Branches):
    """Figure 3: 3x3, and 1x7 and 7x1 before 3x3; 160 channels to 192."""

    def __init__(self):
        super().__init__()
        self.branch0 = nn.Sequential(ConvNorm(160, 64, 1), ConvNorm(64, 96, 3))
        self.branch1 = nn.Sequential(
            ConvNorm(160, 64, 1), ConvNorm(64, 64, **ROW), ConvNorm(64, 64, **COLUMN), ConvNorm(64, 96, 3)
        )


class StemEnd(_Branches):
    """Figure 3: convolution and maximum of stride 2; 192 channels to 384."""

    def __init__(self):
        super().__init__()
        self.conv = ConvNorm(192, 192, 3, stride=2)
        self.maxpool = nn.MaxPool2d(3, 2)


class InceptionA(_Branches):
    """Figure 4, the 35x35 block: 384 channels to 384."""

    def __init__(self):
        super().__init__()
        self.branch0 = ConvNorm(384, 96, 1)
        self.branch1 = nn.Sequential(ConvNorm(384, 64, 1), ConvNorm(64, 96, 3, padding=1))
        self.branch2 = nn.Sequential(
            ConvNorm(384, 64, 1), ConvNorm(64, 96, 3, padding=1), ConvNorm(96, 96, 3, padding=1)
        )
        self.branch3 = _average(384, 96)


class ReductionA(_Branches):
    """Figure 7 with k, l, m, n of 192, 224, 256, 384: 35x35 to 17x17, 384 channels to 1024."""

    def __init__(self):
        super().__init__()
        self.branch0 = ConvNorm(384, 384, 3, stride=2)
        self.branch1 = nn.Sequential(
            ConvNorm(384, 192, 1), ConvNorm(192, 224, 3, padding=1), ConvNorm(224, 256, 3, stride=2)
        )
        self.branch2 = nn.MaxPool2d(3, 2)


class InceptionB(_Branches):
    """Figure 5, the 17x17 block: 1024 channels to 1024."""

    def __init__(self):
        super().__init__()
        self.branch0 = ConvNorm(1024, 384, 1)
        self.branch1 = nn.Sequential(ConvNorm(1024, 192, 1), ConvNorm(192, 224, **ROW), ConvNorm(224, 256, **COLUMN))
        self.branch2 = nn.Sequential(
            ConvNorm(1024, 192, 1),
            ConvNorm(192, 192, **COLUMN),
            ConvNorm(192, 224, **ROW),
            ConvNorm(224, 224, **COLUMN),
            ConvNorm(224, 256, **ROW),
        )
        self.branch3 = _average(1024, 128)


class ReductionB(_Branches):
    """Figure 8: 17x17 to 8x8, 1024 channels to 1536."""

    def __init__(self):
        super().__init__()
        self.branch0 = nn.Sequential(ConvNorm(1024, 192, 1), ConvNorm(192, 192, 3, stride=2))
        self.branch1 = nn.Sequential(
            ConvNorm(1024, 256, 1),
            ConvNorm(256, 256, **ROW),
            ConvNorm(256, 320, **COLUMN),
            ConvNorm(320, 320, 3, stride=2),
        )
        self.branch2 = nn.MaxPool2d(3, 2)


class InceptionC(nn.Module):
    """Figure 6, the 8x8 block, two of whose branches fork: 1536 channels to 1536."""

    def __init__(self):
        super().__init__()
        row: dict[str, Any] = {"kernel_size": (1, 3), "padding": (0, 1)}
        column: dict[str, Any] = {"kernel_size": (3, 1), "padding": (1, 0)}
        self.branch0 = ConvNorm(1536, 256, 1)
        self.branch1_0 = ConvNorm(1536, 384, 1)
        self.branch1_1a = ConvNorm(384, 256, **row)
        self.branch1_1b = ConvNorm(384, 256, **column)
        self.branch2_0 = ConvNorm(1536, 384, 1)
        self.branch2_1 = ConvNorm(384, 448, **column)
        self.branch2_2 = ConvNorm(448, 512, **row)
        self.branch2_3a = ConvNorm(512, 256, **row)
        self.branch2_3b = ConvNorm(512, 256, **column)
        self.branch3 = _average(1536, 256)

    def forward(self, x: Tensor) -> Tensor:
        one = self.branch1_0(x)
        two = self.branch2_2(self.branch2_1(self.branch2_0(x)))
        forks = (self.branch1_1a(one), self.branch1_1b(one), self.branch2_3a(two), self.branch2_3b(two))
        return ops.concatenate([self.branch0(x), *forks, self.branch3(x)], axis=1)


class InceptionV4(nn.Module):
    """Figure 9: stem, 4 A, reduction, 7 B, reduction, 3 C, global mean, for (N, in_channels, 299, 299); 75x75 and more.

    The linear layer is the published one; ``dropout`` before it is the paper's 0.2.
    """

    def __init__(self, num_classes: int = 1000, in_channels: int = 3, dropout: float = 0.2):
        super().__init__()
        self.features = nn.Sequential(
            *inception_stem(in_channels),
            *(InceptionA() for _ in range(4)),
            ReductionA(),
            *(InceptionB() for _ in range(7)),
            ReductionB(),
            *(InceptionC() for _ in range(3)),
        )
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(dropout)
        self.last_linear = nn.Linear(1536, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.dropout(ops.flatten(self.avgpool(self.features(x)), 1))
        return self.last_linear(x)


def inception_stem(in_channels: int = 3) -> list[nn.Module]:
    """Figure 3 as six layers: (N, in_channels, 299, 299) to (N, 384, 35, 35)."""
    return [
        ConvNorm(in_channels, 32, 3, stride=2),
        ConvNorm(32, 32, 3),
        ConvNorm(32, 64, 3, padding=1),
        StemPool(),
        StemSplit(),
        StemEnd(),
    ]


def inception_v4(num_classes: int = 1000, in_channels: int = 3, dropout: float = 0.2) -> InceptionV4:
    """Inception-v4, 42,679,816 parameters with 1,000 classes."""
    return InceptionV4(num_classes, in_channels, dropout)
