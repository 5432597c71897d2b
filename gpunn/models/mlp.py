"""The fully connected network."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from gpunn import nn
from gpunn.text import brief


def mlp(
    num_classes: int = 10, in_channels: int = 1, image_size: int = 28, hidden: Sequence[int] = (500, 150)
) -> nn.Sequential:
    """A multilayer perceptron with ReLU: (N, in_channels, image_size, image_size) to (N, num_classes).

    The defaults make 784-500-150-10, 469,160 parameters, which reaches about 1.7 % error on MNIST.
    """
    if not isinstance(hidden, (tuple, list)):
        raise TypeError(f"mlp: hidden is {brief(hidden)}, expected the widths of the hidden layers, such as (500, 150)")
    sizes = (in_channels * image_size**2, *hidden)
    layers: list[nn.Module] = [nn.Flatten()]
    for fan_in, fan_out in pairwise(sizes):
        layers += [nn.Linear(fan_in, fan_out), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(sizes[-1], num_classes))
