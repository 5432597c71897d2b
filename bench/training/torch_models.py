"""The benchmark's networks once more, in PyTorch: the same layers in the same order, with the same state_dict keys."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn


def mlp() -> nn.Sequential:
    """784-500-150-10."""
    return nn.Sequential(
        nn.Flatten(), nn.Linear(784, 500), nn.ReLU(), nn.Linear(500, 150), nn.ReLU(), nn.Linear(150, 10)
    )


class LeNet5(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 6, 5, padding=2), nn.Conv2d(6, 16, 5)
        self.fc1, self.fc2, self.fc3 = nn.Linear(400, 120), nn.Linear(120, 84), nn.Linear(84, 10)

    def forward(self, x):
        x = F.avg_pool2d(torch.tanh(self.conv1(x)), 2)
        x = F.avg_pool2d(torch.tanh(self.conv2(x)), 2)
        x = torch.tanh(self.fc1(torch.flatten(x, 1)))
        return self.fc3(torch.tanh(self.fc2(x)))


class LeNet20x50x500(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 20, 5), nn.Conv2d(20, 50, 5)
        self.fc1, self.fc2 = nn.Linear(800, 500), nn.Linear(500, 10)

    def forward(self, x):
        x = torch.relu_(F.max_pool2d(self.conv1(x), 2))
        x = torch.relu_(F.max_pool2d(self.conv2(x), 2))
        return self.fc2(torch.relu_(self.fc1(torch.flatten(x, 1))))


class AlexNetLite(nn.Module):
    def __init__(self) -> None:
        super().__init__()

        def relu() -> nn.Module:
            return nn.ReLU(inplace=True)

        self.features = nn.Sequential(
            nn.Conv2d(3, 32, 5, padding=2), nn.MaxPool2d(3, 2), relu(),
            nn.Conv2d(32, 64, 5, padding=2), nn.MaxPool2d(3, 2), relu(),
            nn.Conv2d(64, 128, 3, padding=1), relu(),
            nn.Conv2d(128, 96, 3, padding=1), relu(),
            nn.Conv2d(96, 96, 3, padding=1), nn.MaxPool2d(3, 2), relu(),
        )  # fmt: skip
        self.classifier = nn.Sequential(
            nn.Dropout(0.5), nn.Linear(864, 256), relu(), nn.Dropout(0.5), nn.Linear(256, 256), relu(),
            nn.Linear(256, 10),
        )  # fmt: skip

    def forward(self, x):
        return self.classifier(torch.flatten(self.features(x), 1))


class PadShortcut(nn.Module):
    def __init__(self, more: int) -> None:
        super().__init__()
        self.more = more

    def forward(self, x):
        return F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.more // 2, self.more - self.more // 2))


class BasicBlock(nn.Module):
    def __init__(self, c: int, k: int, stride: int, project: bool) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(c, k, 3, stride, 1, bias=False), nn.BatchNorm2d(k)
        self.conv2, self.bn2 = nn.Conv2d(k, k, 3, 1, 1, bias=False), nn.BatchNorm2d(k)
        self.downsample = None
        if c != k and project:
            self.downsample = nn.Sequential(nn.Conv2d(c, k, 1, stride, bias=False), nn.BatchNorm2d(k))
        elif c != k:
            self.downsample = PadShortcut(k - c)

    def forward(self, x):
        shortcut = x if self.downsample is None else self.downsample(x)
        x = torch.relu_(self.bn1(self.conv1(x)))
        x = self.bn2(self.conv2(x))
        x += shortcut
        return torch.relu_(x)


def stage(c: int, k: int, blocks: int, project: bool) -> nn.Sequential:
    first = BasicBlock(c, k, 1 if c == k else 2, project)
    return nn.Sequential(first, *(BasicBlock(k, k, 1, project) for _ in range(blocks - 1)))


class ResNet20(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16)
        self.layer1, self.layer2 = stage(16, 16, 3, False), stage(16, 32, 3, False)
        self.layer3 = stage(32, 64, 3, False)
        self.fc = nn.Linear(64, 10)

    def forward(self, x):
        x = torch.relu_(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.fc(torch.flatten(F.adaptive_avg_pool2d(x, 1), 1))


class ResNet18(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64)
        self.layer1, self.layer2 = stage(64, 64, 2, True), stage(64, 128, 2, True)
        self.layer3, self.layer4 = stage(128, 256, 2, True), stage(256, 512, 2, True)
        self.fc = nn.Linear(512, 10)

    def forward(self, x):
        x = F.max_pool2d(torch.relu_(self.bn1(self.conv1(x))), 3, 2, 1)
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(torch.flatten(F.adaptive_avg_pool2d(x, 1), 1))


MODELS = {
    "mlp": mlp, "lenet5": LeNet5, "lenet_20_50_500": LeNet20x50x500, "alexnet_lite": AlexNetLite, "resnet20": ResNet20,
    "resnet18": ResNet18,
}  # fmt: skip
