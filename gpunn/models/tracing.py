"""Which kernels a network's step takes, and why."""

from __future__ import annotations

import numpy as np

from gpunn import ops
from gpunn.backend import Device, to_device
from gpunn.cuda.plans import Call
from gpunn.cuda.variants import tracing
from gpunn.engine.tensor import Tensor
from gpunn.errors import UsageError
from gpunn.models.registry import create, has_loss, input_shape, takes_size, task

BATCH = 2


def trace_step(name: str, device: Device) -> tuple[tuple[int, ...], list[Call]]:
    """The shape of the images, and every call of one forward and backward pass of a network, in order.

    UsageError for a network that there is none of, and for the cpu, which runs no kernel.
    """
    if device.type == "cpu":
        input_shape(name)  # the network's name is asked for first
        raise UsageError("kernels: --trace --device cpu runs no kernel; choose cuda or emulator")
    with tracing() as calls:
        shape = run_step(name, device, BATCH)
    return shape, calls


def run_step(name: str, device: Device, batch: int, small: bool = True) -> tuple[int, ...]:
    """One forward and backward pass on zeros, whose shape it returns; ``small``: small ones.

    Networks for large images take a small one too, in a hundredth of the time.
    """
    channels, height, width = input_shape(name)
    if small:
        sides = (side for side in (64, 96, height) if side >= height or takes_size(name, side))
        height = width = min(next(sides), height)
    images = np.zeros((batch, channels, height, width), np.float32)
    model = create(name).to(device)
    x = Tensor(to_device(images, device))
    y = model(x)
    loss = model.loss if has_loss(name) else ops.cross_entropy
    if task(name) == "reconstruction":
        loss(y, x).backward()
    else:
        labels = np.zeros((batch, *y.shape[2:]), np.int64)  # of each pixel where the network names those
        loss(y, to_device(labels, device)).backward()
    return images.shape
