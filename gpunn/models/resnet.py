"""Residual networks (He et al. 2015, "Deep residual learning for image recognition") of two-convolution blocks.

Keys of ``state_dict`` are torchvision's: ``conv1``, ``bn1``, ``layer1.0.conv1`` ..., ``layer2.0.downsample.0``, ``fc``.
"""

from __future__ import annotations

from collections.abc import Sequence

from gpunn import nn, ops


def conv3x3(in_channels: int, channels: int, stride: int = 1) -> nn.Conv2d:
    """A 3x3 convolution that keeps the image's size at stride 1; no bias, since batch norm follows."""
    return nn.Conv2d(in_channels, channels, 3, stride=stride, padding=1, bias=False)


class PadShortcut(nn.Module):
    """Option A of He et al. 2015, section 3.3: every second pixel, new channels zero; no parameters."""

    def __init__(self, in_channels: int, channels: int, stride: int):
        super().__init__()
        self.stride = stride
        self.before = (channels - in_channels) // 2
        self.after = channels - in_channels - self.before

    def forward(self, x):
        x = x[:, :, :: self.stride, :: self.stride]
        return ops.pad(x, ((0, 0), (self.before, self.after), (0, 0), (0, 0)))


class BasicBlock(nn.Module):
    """conv-bn-relu-conv-bn, plus the shortcut, relu; (N, in_channels, H, W) to (N, channels, H/stride, W/stride).

    ``shortcut`` "B" is torchvision's 1x1 projection, "A" the parameter-free one of the CIFAR networks.
    """

    def __init__(self, in_channels: int, channels: int, stride: int = 1, shortcut: str = "B"):
        super().__init__()
        self.conv1 = conv3x3(in_channels, channels, stride)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = conv3x3(channels, channels)
        self.bn2 = nn.BatchNorm2d(channels)
        self.downsample = None
        if stride != 1 or in_channels != channels:
            self.downsample = _shortcut(in_channels, channels, stride, shortcut)

    def forward(self, x):
        shortcut = x if self.downsample is None else self.downsample(x)
        # ReLU, and the addition of the shortcut, are fused into batch norm: one pass over memory in place of three.
        x = self.bn1(self.conv1(x), relu=True)
        return self.bn2(self.conv2(x), residual=shortcut, relu=True)


def _shortcut(in_channels: int, channels: int, stride: int, option: str) -> nn.Module:
    if option == "A":
        return PadShortcut(in_channels, channels, stride)
    if option == "B":
        return nn.Sequential(
            nn.Conv2d(in_channels, channels, 1, stride=stride, bias=False),
            nn.BatchNorm2d(channels),
        )
    raise ValueError(f"BasicBlock: shortcut is {option!r}; expected 'A' (padded identity) or 'B' (1x1 projection)")


def stage(in_channels: int, channels: int, blocks: int, stride: int, shortcut: str) -> nn.Sequential:
    """``blocks`` basic blocks, the first of which changes the channels and the stride."""
    first = BasicBlock(in_channels, channels, stride, shortcut)
    return nn.Sequential(first, *(BasicBlock(channels, channels) for _ in range(blocks - 1)))


class CifarResNet(nn.Module):
    """The 6n+2 layer network for (N, in_channels, 32, 32): He et al. 2015, section 4.2, widths 16, 32, 64."""

    def __init__(self, blocks: int, num_classes: int = 10, in_channels: int = 3, shortcut: str = "A"):
        super().__init__()
        self.conv1 = conv3x3(in_channels, 16)
        self.bn1 = nn.BatchNorm2d(16)
        self.layer1 = stage(16, 16, blocks, 1, shortcut)
        self.layer2 = stage(16, 32, blocks, 2, shortcut)
        self.layer3 = stage(32, 64, blocks, 2, shortcut)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(64, num_classes)
        _initialise(self)

    def forward(self, x):
        x = self.bn1(self.conv1(x), relu=True)
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.fc(ops.flatten(self.avgpool(x), 1))


class ResNet(nn.Module):
    """The ImageNet layout: 7x7 stride 2, max pooling, four stages of widths 64 to 512, for (N, in_channels, 224, 224).

    Any image of at least 32x32 works, since the last pooling is global. ``blocks`` counts each stage's blocks.
    """

    def __init__(
        self,
        blocks: Sequence[int],
        num_classes: int = 1000,
        in_channels: int = 3,
        zero_init_residual: bool = False,
    ):
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, 64, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.maxpool = nn.MaxPool2d(3, 2, padding=1)
        self.layer1 = stage(64, 64, blocks[0], 1, "B")
        self.layer2 = stage(64, 128, blocks[1], 2, "B")
        self.layer3 = stage(128, 256, blocks[2], 2, "B")
        self.layer4 = stage(256, 512, blocks[3], 2, "B")
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(512, num_classes)
        _initialise(self, zero_init_residual)

    def forward(self, x):
        x = self.maxpool(self.bn1(self.conv1(x), relu=True))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(ops.flatten(self.avgpool(x), 1))


def _initialise(model: nn.Module, zero_init_residual: bool = False) -> None:
    """He's normal initialisation; ``zero_init_residual`` starts every block as the identity (Goyal et al. 2017)."""
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        elif zero_init_residual and isinstance(module, BasicBlock):
            nn.init.constant_(module.bn2.weight, 0.0)


def resnet20(num_classes: int = 10, in_channels: int = 3, shortcut: str = "A") -> CifarResNet:
    """ResNet-20 for 32x32 images (He et al. 2015, table 6: 0.27 M parameters; 269,722 with 10 classes)."""
    return CifarResNet(3, num_classes, in_channels, shortcut)


def resnet18(num_classes: int = 1000, in_channels: int = 3, zero_init_residual: bool = False) -> ResNet:
    """ResNet-18 in torchvision's layout and with its keys; 11,689,512 parameters with 1,000 classes."""
    return ResNet((2, 2, 2, 2), num_classes, in_channels, zero_init_residual)
