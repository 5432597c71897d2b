"""AlexNet (Krizhevsky et al. 2012, "ImageNet classification with deep convolutional neural networks"); a lite one."""

from __future__ import annotations

from gpunn import nn, ops
from gpunn.engine.tensor import Tensor

# Filters of the five convolutions: of "One weird trick" (Krizhevsky 2014), which torchvision builds, and of 2012.
WIDTHS = {1: (64, 192, 384, 256, 256), 2: (96, 256, 384, 384, 256)}


class AlexNet(nn.Module):
    """Five convolutions and three linear layers for (N, in_channels, 224, 224); images of 63x63 and more work.

    ``towers`` 1 is torchvision's network, 61,100,840 parameters; 2 that of 2012, whose second, fourth and fifth
    convolution see half of the channels each, 60,965,224. ``response_norm`` adds the paper's local response
    normalisation after the first two. Keys are torchvision's with every option.
    """

    def __init__(
        self,
        num_classes: int = 1000,
        in_channels: int = 3,
        dropout: float = 0.5,
        towers: int = 1,
        response_norm: bool = False,
    ):
        super().__init__()
        if towers not in WIDTHS:
            raise ValueError(f"AlexNet: towers is {towers}, expected 1 (one tower) or 2 (groups of 2, as in 2012)")
        w, g = WIDTHS[towers], towers
        layers: dict[str, nn.Module] = {
            "0": nn.Conv2d(in_channels, w[0], 11, stride=4, padding=2),
            "1": nn.ReLU(),
            "2": nn.MaxPool2d(3, 2),
            "3": nn.Conv2d(w[0], w[1], 5, padding=2, groups=g),
            "4": nn.ReLU(),
            "5": nn.MaxPool2d(3, 2),
            "6": nn.Conv2d(w[1], w[2], 3, padding=1),
            "7": nn.ReLU(),
            "8": nn.Conv2d(w[2], w[3], 3, padding=1, groups=g),
            "9": nn.ReLU(),
            "10": nn.Conv2d(w[3], w[4], 3, padding=1, groups=g),
            "11": nn.ReLU(),
            "12": nn.MaxPool2d(3, 2),
        }
        if response_norm:
            layers = _with_norms(layers)
        self.features = nn.Sequential(layers)
        self.avgpool = nn.AdaptiveAvgPool2d(6)
        self.classifier = nn.Sequential(
            nn.Dropout(dropout),
            nn.Linear(w[4] * 6 * 6, 4096),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(4096, 4096),
            nn.ReLU(),
            nn.Linear(4096, num_classes),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(ops.flatten(self.avgpool(self.features(x)), 1))


def _with_norms(layers: dict[str, nn.Module]) -> dict[str, nn.Module]:
    """Section 3.3's normalisation behind the first two ReLUs, under names that leave the others' numbers alone."""
    found = {}
    for name, layer in layers.items():
        found[name] = layer
        if name in ("1", "4"):  # the paper's alpha of 1e-4 is not divided by the 5 channels
            found[f"norm{name}"] = nn.LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2.0)
    return found


class AlexNetLite(nn.Module):
    """Five convolutions and three linear layers for (N, in_channels, 32, 32).

    AlexNet (Krizhevsky et al. 2012; one tower) cut to what a CPU trains in minutes: stride 1 and 5x5 windows in the
    first layer, widths 32-64-128-96-96 and 256-256 in place of 64-192-384-256-256 and 4096-4096, no response
    normalisation. Overlapping 3x3 pooling with stride 2 after layers 1, 2 and 5 (32 -> 15 -> 7 -> 3) and dropout before
    the first two linear layers stay. 611,082 parameters; keys as in torchvision's AlexNet.
    """

    def __init__(self, num_classes: int = 10, in_channels: int = 3, dropout: float = 0.5):
        super().__init__()
        # ReLU and the maximum commute: where both follow a convolution, pooling comes first.
        self.features = nn.Sequential(
            nn.Conv2d(in_channels, 32, 5, padding=2),
            nn.MaxPool2d(3, 2),
            nn.ReLU(),
            nn.Conv2d(32, 64, 5, padding=2),
            nn.MaxPool2d(3, 2),
            nn.ReLU(),
            nn.Conv2d(64, 128, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(128, 96, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(96, 96, 3, padding=1),
            nn.MaxPool2d(3, 2),
            nn.ReLU(),
        )
        self.classifier = nn.Sequential(
            nn.Dropout(dropout),
            nn.Linear(96 * 3 * 3, 256),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(256, 256),
            nn.ReLU(),
            nn.Linear(256, num_classes),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(ops.flatten(self.features(x), 1))


def alexnet(
    num_classes: int = 1000,
    in_channels: int = 3,
    dropout: float = 0.5,
    towers: int = 1,
    response_norm: bool = False,
) -> AlexNet:
    """AlexNet as torchvision has it; ``towers=2, response_norm=True`` is the network of 2012."""
    return AlexNet(num_classes, in_channels, dropout, towers, response_norm)


def alexnet_lite(num_classes: int = 10, in_channels: int = 3, dropout: float = 0.5) -> AlexNetLite:
    """AlexNet's layers, narrow, for 32x32 images; 611,082 parameters."""
    return AlexNetLite(num_classes, in_channels, dropout)
