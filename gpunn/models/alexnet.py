"""AlexNet-lite: AlexNet's order of layers at 32x32."""

from __future__ import annotations

from gpunn import nn, ops


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

    def forward(self, x):
        return self.classifier(ops.flatten(self.features(x), 1))


def alexnet_lite(num_classes: int = 10, in_channels: int = 3, dropout: float = 0.5) -> AlexNetLite:
    """AlexNet's layers, narrow, for 32x32 images; 611,082 parameters."""
    return AlexNetLite(num_classes, in_channels, dropout)
