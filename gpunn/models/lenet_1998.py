"""LeNet-5 as it was: trained pooling, scaled tanh, and an output of distances to pictures of the digits."""

from __future__ import annotations

import math

import numpy as np

from gpunn import nn, ops
from gpunn.backend import default_device, to_device
from gpunn.backend.contract import Shape
from gpunn.engine.tensor import Tensor
from gpunn.errors import unknown_name
from gpunn.models.lenet import C3_TABLE
from gpunn.models.table_conv import TableConv2d
from gpunn.nn.parameter import empty
from gpunn.nn.receptive import Reach

# A digit's code: a picture of 7x12, as in the paper's figure 3, +1 where ink is and -1 elsewhere; drawn anew.
DIGITS = """
..###.. ...#... .#####. .#####. ....##. ####### ..####. ####### ..###.. ..###..
.##.##. ..##... ##...## ##...## ...###. ##..... .##..## .....## .##.##. .##.##.
##...## .###... .....## .....## ..####. ##..... ##..... .....## ##...## ##...##
##...## ...##.. .....## .....## .##.##. ##..... ##..... ....##. ##...## ##...##
##...## ...##.. ....##. ....##. ##..##. ##..... ##..... ....##. .##.##. ##...##
##...## ...##.. ...##.. ..###.. ##..##. ######. ##.###. ...##.. ..###.. .######
##...## ...##.. ..##... ....##. ####### .....## ###..## ...##.. .##.##. .....##
##...## ...##.. .##.... .....## ....##. .....## ##...## ..##... ##...## .....##
##...## ...##.. ##..... .....## ....##. .....## ##...## ..##... ##...## .....##
##...## ...##.. ##..... .....## ....##. .....## ##...## .##.... ##...## .....##
.##.##. ...##.. ##..... ##...## ....##. ##..##. .##.##. .##.... .##.##. .#...##
..###.. .#####. ####### .#####. ....##. .####.. ..###.. .##.... ..###.. ..####.
"""
CRITERIA = ("map", "mse")
RUBBISH = 0.1  # the paper's j: what no class claims is as near as this, so that far classes are not pushed further


def codes() -> np.ndarray:
    """The digits' codes, float32 (10, 84) of +1 and -1; row i is the picture of i, 12 lines of 7 pixels."""
    lines = [line.split() for line in DIGITS.strip().splitlines()]
    ink = [["".join(line[i] for line in lines)] for i in range(10)]
    return np.array([[1 if c == "#" else -1 for c in text] for (text,) in ink], np.float32)


class TrainedPool2d(nn.Module):
    """The sum of each 2x2 window, times the map's weight, plus its bias: (N, C, H, W) to (N, C, H // 2, W // 2)."""

    def __init__(self, channels: int):
        super().__init__()
        self.weight, self.bias = empty(channels), empty(channels)
        nn.init.uniform_(self.weight, -2.4 / 4, 2.4 / 4)
        nn.init.zeros_(self.bias)

    def forward(self, x: Tensor) -> Tensor:
        summed = ops.avg_pool2d(x, 2) * 4.0
        return summed * ops.reshape(self.weight, (-1, 1, 1)) + ops.reshape(self.bias, (-1, 1, 1))

    def reach(self, x_shape: Shape, y_shape: Shape) -> Reach:
        return (2, 2), (2, 2)

    def flops(self, x_shape: Shape, y_shape: Shape) -> int:
        return 6 * math.prod(y_shape)


class LeNet5Of1998(nn.Module):
    """LeNet-5 as LeCun et al. 1998 describe it; (N, 1, 28, 28) to (N, 10), minus the distances to the digits' codes.

    "Gradient-based learning applied to document recognition", section II.B: C3 by table I, pooling with a weight and a
    bias a map, 1.7159 tanh(2/3 a), and radial basis functions: the output of class i is the squared distance of F6 to
    a fixed code of 84 numbers. 60,000 parameters. The largest of what is returned is the answer, as elsewhere.

    Args:
        criterion: what `loss` is. "mse": the mean squared distance to the right code, equation 8. "map": that, and a
            penalty that pushes wrong classes away, equation 9 with j = 0.1.

    Initial weights are uniform over +-2.4 / fan_in, as in the paper's appendix A.
    """

    def __init__(self, criterion: str = "map"):
        super().__init__()
        if criterion not in CRITERIA:
            raise unknown_name("criterion of LeNet-5", criterion, CRITERIA)
        self.criterion = criterion
        self.conv1, self.pool1 = nn.Conv2d(1, 6, 5, padding=2), TrainedPool2d(6)
        self.conv2, self.pool2 = TableConv2d(C3_TABLE, 5), TrainedPool2d(16)
        self.fc1, self.fc2 = nn.Linear(16 * 5 * 5, 120), nn.Linear(120, 84)
        for layer in (self.conv1, self.fc1, self.fc2):
            fan_in = math.prod(layer.weight.shape[1:])
            nn.init.uniform_(layer.weight, -2.4 / fan_in, 2.4 / fan_in)
            assert layer.bias is not None
            nn.init.zeros_(layer.bias)
        self.register_buffer("codes", to_device(codes(), default_device()))

    def forward(self, x: Tensor) -> Tensor:
        x = squash(self.pool1(squash(self.conv1(x))))
        x = squash(self.pool2(squash(self.conv2(x))))
        x = squash(self.fc2(squash(self.fc1(ops.flatten(x, 1)))))
        return -ops.sum(ops.square(ops.unsqueeze(x, 1) - self.codes), -1)

    def loss(self, scores: Tensor, labels: Tensor) -> Tensor:
        """The criterion of what forward returned and class indices (N,): equation 8 or 9."""
        if self.criterion == "map":  # the penalty of an image whose label counts nothing counts nothing either
            scores = scores - ops.logsumexp(ops.pad(scores, (1, 0), value=-RUBBISH), 1, keepdims=True)
        return ops.nll_loss(scores, labels)


def squash(x: Tensor) -> Tensor:
    """1.7159 tanh(2/3 x), which is 1 at 1 and -1 at -1, where F6 is compared with its codes."""
    return ops.tanh(x * (2 / 3)) * 1.7159


def lenet5_1998(num_classes: int = 10, in_channels: int = 1, criterion: str = "map") -> LeNet5Of1998:
    """LeNet-5 of 1998 for 28x28 images of the ten digits; 60,000 parameters. criterion: "map" or "mse"."""
    if (num_classes, in_channels) != (10, 1):
        raise ValueError(
            f"lenet5_1998: got {num_classes} classes and {in_channels} channels, expected 10 and 1: its output "
            "compares with pictures of the ten digits; take lenet5 for other data"
        )
    return LeNet5Of1998(criterion)
