"""The benchmark's networks once more, in PyTorch: the same layers in the same order, with the same state_dict keys."""

from __future__ import annotations

from collections import OrderedDict

import torch
import torch.nn.functional as F
from torch import nn
from torch.nn import AvgPool2d, Conv2d, Dropout, Flatten, Linear, MaxPool2d, Sequential, Tanh


def chain(**layers: nn.Module) -> Sequential:
    return Sequential(OrderedDict(layers))


def relu() -> nn.Module:
    return nn.ReLU(inplace=True)


def mlp() -> Sequential:
    """784-500-150-10."""
    return Sequential(Flatten(), Linear(784, 500), nn.ReLU(), Linear(500, 150), nn.ReLU(), Linear(150, 10))


def lenet5() -> Sequential:
    return chain(
        conv1=Conv2d(1, 6, 5, padding=2), tanh1=Tanh(), pool1=AvgPool2d(2),
        conv2=Conv2d(6, 16, 5), tanh2=Tanh(), pool2=AvgPool2d(2), flat=Flatten(),
        fc1=Linear(400, 120), tanh3=Tanh(), fc2=Linear(120, 84), tanh4=Tanh(), fc3=Linear(84, 10),
    )  # fmt: skip


def lenet_20_50_500() -> Sequential:
    return chain(
        conv1=Conv2d(1, 20, 5), pool1=MaxPool2d(2), relu1=relu(), conv2=Conv2d(20, 50, 5), pool2=MaxPool2d(2),
        relu2=relu(), flat=Flatten(), fc1=Linear(800, 500), relu3=relu(), fc2=Linear(500, 10),
    )  # fmt: skip


def alexnet_lite() -> Sequential:
    features = Sequential(
        Conv2d(3, 32, 5, padding=2), MaxPool2d(3, 2), relu(), Conv2d(32, 64, 5, padding=2), MaxPool2d(3, 2), relu(),
        Conv2d(64, 128, 3, padding=1), relu(), Conv2d(128, 96, 3, padding=1), relu(),
        Conv2d(96, 96, 3, padding=1), MaxPool2d(3, 2), relu(),
    )  # fmt: skip
    classifier = Sequential(
        Dropout(0.5), Linear(864, 256), relu(), Dropout(0.5), Linear(256, 256), relu(), Linear(256, 10)
    )
    return chain(features=features, flat=Flatten(), classifier=classifier)


class PadShortcut(nn.Module):
    def __init__(self, more: int) -> None:
        super().__init__()
        self.more = more

    def forward(self, x):
        return F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.more // 2, self.more - self.more // 2))


class BasicBlock(nn.Module):
    def __init__(self, c: int, k: int, stride: int, project: bool) -> None:
        super().__init__()
        self.conv1, self.bn1 = Conv2d(c, k, 3, stride, 1, bias=False), nn.BatchNorm2d(k)
        self.conv2, self.bn2 = Conv2d(k, k, 3, 1, 1, bias=False), nn.BatchNorm2d(k)
        self.downsample = None
        if c != k and project:
            self.downsample = Sequential(Conv2d(c, k, 1, stride, bias=False), nn.BatchNorm2d(k))
        elif c != k:
            self.downsample = PadShortcut(k - c)

    def forward(self, x):
        shortcut = x if self.downsample is None else self.downsample(x)
        x = torch.relu_(self.bn1(self.conv1(x)))
        x = self.bn2(self.conv2(x))
        x += shortcut
        return torch.relu_(x)


def resnet(stem: Conv2d, pool: nn.Module, widths: list[int], blocks: int, project: bool) -> Sequential:
    """Stages of `blocks` blocks on a first convolution and a pooling."""
    stages, c = {}, widths[0]
    for number, k in enumerate(widths, 1):
        first = BasicBlock(c, k, 1 if c == k else 2, project)
        stages[f"layer{number}"] = Sequential(first, *(BasicBlock(k, k, 1, project) for _ in range(blocks - 1)))
        c = k
    start = {"conv1": stem, "bn1": nn.BatchNorm2d(widths[0]), "relu": relu(), "pool": pool}
    return chain(**start, **stages, mean=nn.AdaptiveAvgPool2d(1), flat=Flatten(), fc=Linear(c, 10))


def resnet20() -> Sequential:
    return resnet(Conv2d(3, 16, 3, 1, 1, bias=False), nn.Identity(), [16, 32, 64], 3, False)


def resnet18() -> Sequential:
    return resnet(Conv2d(3, 64, 7, 2, 3, bias=False), MaxPool2d(3, 2, 1), [64, 128, 256, 512], 2, True)


MODELS = {made.__name__: made for made in (mlp, lenet5, lenet_20_50_500, alexnet_lite, resnet20, resnet18)}
