"""Residual networks (He et al. 2015, "Deep residual learning for image recognition").

Keys of ``state_dict`` are torchvision's: ``conv1``, ``bn1``, ``layer1.0.conv1`` ..., ``layer2.0.downsample.0``, ``fc``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from gpunn import nn, ops
from gpunn.engine.tensor import Tensor
from gpunn.models.blocks import BasicBlock, Bottleneck, conv3x3
from gpunn.nn.fusion import conv_norm


class CifarResNet(nn.Module):
    """The 6n+2 layer network for (N, in_channels, 32, 32): He et al. 2015, section 4.2, widths 16, 32, 64."""

    conv_norms = (("conv1", "bn1", "relu"),)  # what nn.fuse is told

    def __init__(self, blocks: int, num_classes: int = 10, in_channels: int = 3, shortcut: str = "A"):
        super().__init__()
        build = partial(BasicBlock, shortcut=shortcut)
        self.conv1 = conv3x3(in_channels, 16)
        self.bn1 = nn.BatchNorm2d(16)
        self.layer1 = stage(build, 16, 16, blocks, 1)
        self.layer2 = stage(build, 16, 32, blocks, 2)
        self.layer3 = stage(build, 32, 64, blocks, 2)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(64, num_classes)
        _initialise(self)

    def forward(self, x: Tensor) -> Tensor:
        x = conv_norm(x, self.conv1, self.bn1, relu=True)
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.fc(ops.flatten(self.avgpool(x), 1))


class ResNet(nn.Module):
    """The ImageNet layout: 7x7 stride 2, max pooling, four stages of widths 64 to 512, for (N, in_channels, 224, 224).

    Any image of at least 32x32 works, since the last pooling is global. ``block`` is BasicBlock or Bottleneck, or makes
    one from (in_channels, channels, stride); ``blocks`` counts each stage's. ``zero_init_residual`` starts every block
    as the identity (Goyal et al. 2017).
    """

    conv_norms = (("conv1", "bn1", "relu"),)

    def __init__(
        self,
        block: Callable[..., BasicBlock | Bottleneck],
        blocks: Sequence[int],
        num_classes: int = 1000,
        in_channels: int = 3,
        zero_init_residual: bool = False,
    ):
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, 64, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.maxpool = nn.MaxPool2d(3, 2, padding=1)
        self.layer1 = stage(block, 64, 64, blocks[0], 1)
        channels = self.layer1[-1].out_channels
        self.layer2 = stage(block, channels, 128, blocks[1], 2)
        self.layer3 = stage(block, 2 * channels, 256, blocks[2], 2)
        self.layer4 = stage(block, 4 * channels, 512, blocks[3], 2)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(8 * channels, num_classes)
        _initialise(self, zero_init_residual)

    def forward(self, x: Tensor) -> Tensor:
        x = self.maxpool(conv_norm(x, self.conv1, self.bn1, relu=True))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(ops.flatten(self.avgpool(x), 1))


def stage(build: Callable, in_channels: int, channels: int, blocks: int, stride: int) -> nn.Sequential:
    """``blocks`` blocks, the first of which changes the channels and the stride."""
    first = build(in_channels, channels, stride)
    return nn.Sequential(first, *(build(first.out_channels, channels, 1) for _ in range(blocks - 1)))


def _initialise(model: nn.Module, zero_init_residual: bool = False) -> None:
    """He's normal initialisation of all convolutions; the last gamma of each block is 0 where wanted."""
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        elif zero_init_residual and isinstance(module, (BasicBlock, Bottleneck)):
            gamma = module.last_norm.weight
            if gamma is not None:
                nn.init.zeros_(gamma)


def resnet20(num_classes: int = 10, in_channels: int = 3, shortcut: str = "A") -> CifarResNet:
    """ResNet-20 for 32x32 images (He et al. 2015, table 6: 0.27 M parameters; 269,722 with 10 classes)."""
    return CifarResNet(3, num_classes, in_channels, shortcut)


def resnet32(num_classes: int = 10, in_channels: int = 3, shortcut: str = "A") -> CifarResNet:
    """ResNet-32 for 32x32 images (table 6: 0.46 M parameters; 464,154 with 10 classes)."""
    return CifarResNet(5, num_classes, in_channels, shortcut)


def resnet44(num_classes: int = 10, in_channels: int = 3, shortcut: str = "A") -> CifarResNet:
    """ResNet-44 for 32x32 images (table 6: 0.66 M parameters; 658,586 with 10 classes)."""
    return CifarResNet(7, num_classes, in_channels, shortcut)


def resnet56(num_classes: int = 10, in_channels: int = 3, shortcut: str = "A") -> CifarResNet:
    """ResNet-56 for 32x32 images (table 6: 0.85 M parameters; 853,018 with 10 classes)."""
    return CifarResNet(9, num_classes, in_channels, shortcut)


def resnet110(num_classes: int = 10, in_channels: int = 3, shortcut: str = "A") -> CifarResNet:
    """ResNet-110 for 32x32 images (table 6: 1.7 M parameters; 1,727,962 with 10 classes)."""
    return CifarResNet(18, num_classes, in_channels, shortcut)


def resnet18(num_classes: int = 1000, in_channels: int = 3, zero_init_residual: bool = False) -> ResNet:
    """ResNet-18 in torchvision's layout and with its keys; 11,689,512 parameters with 1,000 classes."""
    return ResNet(BasicBlock, (2, 2, 2, 2), num_classes, in_channels, zero_init_residual)


def resnet34(num_classes: int = 1000, in_channels: int = 3, zero_init_residual: bool = False) -> ResNet:
    """ResNet-34 in torchvision's layout and with its keys; 21,797,672 parameters with 1,000 classes."""
    return ResNet(BasicBlock, (3, 4, 6, 3), num_classes, in_channels, zero_init_residual)


def resnet50(
    num_classes: int = 1000, in_channels: int = 3, zero_init_residual: bool = False, version: str = "1.5"
) -> ResNet:
    """ResNet-50, 25,557,032 parameters with 1,000 classes; ``version`` places the strides, see Bottleneck."""
    return ResNet(partial(Bottleneck, version=version), (3, 4, 6, 3), num_classes, in_channels, zero_init_residual)


def resnet101(
    num_classes: int = 1000, in_channels: int = 3, zero_init_residual: bool = False, version: str = "1.5"
) -> ResNet:
    """ResNet-101, 44,549,160 parameters with 1,000 classes; ``version`` places the strides, see Bottleneck."""
    return ResNet(partial(Bottleneck, version=version), (3, 4, 23, 3), num_classes, in_channels, zero_init_residual)


def resnet152(
    num_classes: int = 1000, in_channels: int = 3, zero_init_residual: bool = False, version: str = "1.5"
) -> ResNet:
    """ResNet-152, 60,192,808 parameters with 1,000 classes; ``version`` places the strides, see Bottleneck."""
    return ResNet(partial(Bottleneck, version=version), (3, 8, 36, 3), num_classes, in_channels, zero_init_residual)
