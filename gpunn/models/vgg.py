"""VGG (Simonyan and Zisserman 2014, "Very deep convolutional networks for large-scale image recognition")."""

from __future__ import annotations

from collections.abc import Sequence

from gpunn import nn, ops
from gpunn.engine.tensor import Tensor

# Table 1's columns A and D: filters of the 3x3 convolutions, stage by stage; a 2x2 maximum ends each stage.
STAGES = {
    11: ((64,), (128,), (256, 256), (512, 512), (512, 512)),
    16: ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512)),
}


class VGG(nn.Module):
    """3x3 convolutions in five stages, then three linear layers, for (N, in_channels, 224, 224); 32x32 and more work.

    ``batch_norm`` puts one behind each convolution. Layout, keys and initial values are torchvision's.
    """

    def __init__(
        self,
        stages: Sequence[Sequence[int]],
        num_classes: int = 1000,
        in_channels: int = 3,
        dropout: float = 0.5,
        batch_norm: bool = False,
    ):
        super().__init__()
        with nn.init.skip():  # 120 million default values that _initialise would draw again
            layers: list[nn.Module] = []
            for widths in stages:
                for width in widths:
                    layers.append(nn.Conv2d(in_channels, width, 3, padding=1))
                    layers += [nn.BatchNorm2d(width), nn.ReLU()] if batch_norm else [nn.ReLU()]
                    in_channels = width
                layers.append(nn.MaxPool2d(2))
            self.features = nn.Sequential(*layers)
            self.avgpool = nn.AdaptiveAvgPool2d(7)
            self.classifier = nn.Sequential(
                nn.Linear(in_channels * 7 * 7, 4096),
                nn.ReLU(),
                nn.Dropout(dropout),
                nn.Linear(4096, 4096),
                nn.ReLU(),
                nn.Dropout(dropout),
                nn.Linear(4096, num_classes),
            )
        self._initialise()

    def _initialise(self) -> None:
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            elif isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, 0.0, 0.01)
            if isinstance(module, (nn.Conv2d, nn.Linear)) and module.bias is not None:
                nn.init.zeros_(module.bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(ops.flatten(self.avgpool(self.features(x)), 1))


def vgg11(num_classes: int = 1000, in_channels: int = 3, dropout: float = 0.5) -> VGG:
    """VGG-11 (column A), 132,863,336 parameters with 1,000 classes."""
    return VGG(STAGES[11], num_classes, in_channels, dropout)


def vgg16(num_classes: int = 1000, in_channels: int = 3, dropout: float = 0.5) -> VGG:
    """VGG-16 (column D), 138,357,544 parameters with 1,000 classes."""
    return VGG(STAGES[16], num_classes, in_channels, dropout)


def vgg11_bn(num_classes: int = 1000, in_channels: int = 3, dropout: float = 0.5) -> VGG:
    """VGG-11 with batch norm, 132,868,840 parameters with 1,000 classes."""
    return VGG(STAGES[11], num_classes, in_channels, dropout, batch_norm=True)


def vgg16_bn(num_classes: int = 1000, in_channels: int = 3, dropout: float = 0.5) -> VGG:
    """VGG-16 with batch norm, 138,365,992 parameters with 1,000 classes."""
    return VGG(STAGES[16], num_classes, in_channels, dropout, batch_norm=True)
