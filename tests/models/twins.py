"""PyTorch re-implementations of the networks, written from the papers' tables; they share nothing with gpunn."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F


def mlp(num_classes=10):
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(784, 500),
        nn.ReLU(),
        nn.Linear(500, 150),
        nn.ReLU(),
        nn.Linear(150, num_classes),
    )


class LeNet5(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 6, 5, padding=2), nn.Conv2d(6, 16, 5)
        self.fc1, self.fc2, self.fc3 = nn.Linear(400, 120), nn.Linear(120, 84), nn.Linear(84, 10)

    def forward(self, x):
        x = F.avg_pool2d(torch.tanh(self.conv1(x)), 2)
        x = F.avg_pool2d(torch.tanh(self.conv2(x)), 2).flatten(1)
        return self.fc3(torch.tanh(self.fc2(torch.tanh(self.fc1(x)))))


class LeNet20(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 20, 5), nn.Conv2d(20, 50, 5)
        self.fc1, self.fc2 = nn.Linear(800, 500), nn.Linear(500, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2).flatten(1)
        return self.fc2(F.relu(self.fc1(x)))


class AlexNetLite(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            *(nn.Conv2d(3, 32, 5, padding=2), nn.MaxPool2d(3, 2), nn.ReLU()),
            *(nn.Conv2d(32, 64, 5, padding=2), nn.MaxPool2d(3, 2), nn.ReLU()),
            *(nn.Conv2d(64, 128, 3, padding=1), nn.ReLU()),
            *(nn.Conv2d(128, 96, 3, padding=1), nn.ReLU()),
            *(nn.Conv2d(96, 96, 3, padding=1), nn.MaxPool2d(3, 2), nn.ReLU()),
        )
        self.classifier = nn.Sequential(
            *(nn.Dropout(), nn.Linear(864, 256), nn.ReLU()),
            *(nn.Dropout(), nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, 10)),
        )

    def forward(self, x):
        return self.classifier(self.features(x).flatten(1))


class Block(nn.Module):
    def __init__(self, before, after, stride, option):
        super().__init__()
        self.conv1 = nn.Conv2d(before, after, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(after)
        self.conv2 = nn.Conv2d(after, after, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(after)
        self.grow, self.stride, self.option = after - before, stride, option
        if option == "B" and (stride, before) != (1, after):
            self.downsample = nn.Sequential(nn.Conv2d(before, after, 1, stride, bias=False), nn.BatchNorm2d(after))

    def shortcut(self, x):
        if self.option == "B":
            return self.downsample(x) if hasattr(self, "downsample") else x
        x = x[:, :, :: self.stride, :: self.stride]
        half = self.grow // 2
        return torch.cat([torch.zeros_like(x[:, :half]), x, torch.zeros_like(x[:, : self.grow - half])], 1)

    def forward(self, x):
        y = torch.relu(self.bn1(self.conv1(x)))
        return torch.relu(self.bn2(self.conv2(y)) + self.shortcut(x))


def blocks(before, after, count, stride, option):
    first = Block(before, after, stride, option)
    return nn.Sequential(first, *[Block(after, after, 1, option) for _ in range(count - 1)])


class CifarResNet(nn.Module):
    def __init__(self, count=3, option="A"):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16)
        self.layer1 = blocks(16, 16, count, 1, option)
        self.layer2 = blocks(16, 32, count, 2, option)
        self.layer3 = blocks(32, 64, count, 2, option)
        self.fc = nn.Linear(64, 10)

    def forward(self, x):
        x = self.layer3(self.layer2(self.layer1(torch.relu(self.bn1(self.conv1(x))))))
        return self.fc(x.mean((2, 3)))
