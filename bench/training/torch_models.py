"""The benchmark's networks once more, in PyTorch: the same layers in the same order, so that weights fit one by one."""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import nn
from torch.nn import AvgPool2d, BatchNorm2d, Conv2d, Dropout, Flatten, Linear, MaxPool2d, Sequential, Tanh

relu = nn.ReLU(inplace=True)


def mlp() -> Sequential:
    """784-500-150-10."""
    return Sequential(Flatten(), Linear(784, 500), nn.ReLU(), Linear(500, 150), nn.ReLU(), Linear(150, 10))


def lenet5() -> Sequential:
    return Sequential(
        Conv2d(1, 6, 5, padding=2), Tanh(), AvgPool2d(2), Conv2d(6, 16, 5), Tanh(), AvgPool2d(2), Flatten(),
        Linear(400, 120), Tanh(), Linear(120, 84), Tanh(), Linear(84, 10),
    )  # fmt: skip


def lenet_20_50_500() -> Sequential:
    return Sequential(
        Conv2d(1, 20, 5), MaxPool2d(2), relu, Conv2d(20, 50, 5), MaxPool2d(2), relu, Flatten(),
        Linear(800, 500), relu, Linear(500, 10),
    )  # fmt: skip


def alexnet_lite() -> Sequential:
    return Sequential(
        Conv2d(3, 32, 5, padding=2), MaxPool2d(3, 2), relu, Conv2d(32, 64, 5, padding=2), MaxPool2d(3, 2), relu,
        Conv2d(64, 128, 3, padding=1), relu, Conv2d(128, 96, 3, padding=1), relu,
        Conv2d(96, 96, 3, padding=1), MaxPool2d(3, 2), relu, Flatten(),
        Dropout(0.5), Linear(864, 256), relu, Dropout(0.5), Linear(256, 256), relu, Linear(256, 10),
    )  # fmt: skip


class BasicBlock(nn.Module):
    def __init__(self, c: int, k: int, project: bool) -> None:
        super().__init__()
        stride = 1 if c == k else 2
        self.conv1, self.bn1 = Conv2d(c, k, 3, stride, 1, bias=False), BatchNorm2d(k)
        self.conv2, self.bn2 = Conv2d(k, k, 3, 1, 1, bias=False), BatchNorm2d(k)
        self.more = k - c  # channels
        self.downsample = Sequential(Conv2d(c, k, 1, 2, bias=False), BatchNorm2d(k)) if project and self.more else None

    def shortcut(self, x: torch.Tensor) -> torch.Tensor:
        if self.downsample is not None:
            return self.downsample(x)
        half = self.more // 2
        return F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, half, half)) if self.more else x

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.bn2(self.conv2(torch.relu_(self.bn1(self.conv1(x)))))
        y += self.shortcut(x)
        return torch.relu_(y)


class Bottleneck(nn.Module):
    """1x1 to k channels, 3x3, 1x1 to 4 k; the stride is the 3x3 convolution's."""

    def __init__(self, c: int, k: int, stride: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = Conv2d(c, k, 1, bias=False), BatchNorm2d(k)
        self.conv2, self.bn2 = Conv2d(k, k, 3, stride, 1, bias=False), BatchNorm2d(k)
        self.conv3, self.bn3 = Conv2d(k, 4 * k, 1, bias=False), BatchNorm2d(4 * k)
        projection = Sequential(Conv2d(c, 4 * k, 1, stride, bias=False), BatchNorm2d(4 * k))
        self.downsample = projection if c != 4 * k else nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = torch.relu_(self.bn1(self.conv1(x)))
        y = self.bn3(self.conv3(torch.relu_(self.bn2(self.conv2(y)))))
        y += self.downsample(x)
        return torch.relu_(y)


def resnet(stem: list[nn.Module], widths: list[int], blocks: int, project: bool) -> Sequential:
    """Stages of `blocks` blocks on the first layers."""
    channels = [widths[0], *(k for k in widths for _ in range(blocks))]
    body = (BasicBlock(c, k, project) for c, k in pairwise(channels))
    return Sequential(*stem, *body, nn.AdaptiveAvgPool2d(1), Flatten(), Linear(widths[-1], 10))


def resnet20() -> Sequential:
    return resnet([Conv2d(3, 16, 3, 1, 1, bias=False), BatchNorm2d(16), relu], [16, 32, 64], 3, False)


def imagenet_stem() -> list[nn.Module]:
    return [Conv2d(3, 64, 7, 2, 3, bias=False), BatchNorm2d(64), relu, MaxPool2d(3, 2, 1)]


def resnet18() -> Sequential:
    return resnet(imagenet_stem(), [64, 128, 256, 512], 2, True)


def resnet50() -> Sequential:
    body: list[nn.Module] = []
    for stage, blocks in enumerate((3, 4, 6, 3)):
        k, c = 64 << stage, 128 << stage if stage else 64
        body += [Bottleneck(c, k, 2 if stage else 1), *(Bottleneck(4 * k, k, 1) for _ in range(blocks - 1))]
    return Sequential(*imagenet_stem(), *body, nn.AdaptiveAvgPool2d(1), Flatten(), Linear(2048, 10))


MODELS = {made.__name__: made for made in (mlp, lenet5, lenet_20_50_500, alexnet_lite, resnet20, resnet18, resnet50)}
