"""Which kernels a network's step takes, and why."""

from __future__ import annotations

import numpy as np

from gpunn import ops
from gpunn.backend import Device, to_device
from gpunn.cuda.plans import Call
from gpunn.cuda.variants import tracing
from gpunn.engine.tensor import Tensor
from gpunn.errors import UsageError
from gpunn.models.registry import create, input_shape, takes_size

BATCH = 2


def trace_step(name: str, device: Device) -> tuple[tuple[int, ...], list[Call]]:
    """The shape of the images, and every call of one forward and backward pass of a network, in order.

    UsageError for a network that there is none of, and for the cpu, which runs no kernel.
    """
    channels, height, _ = input_shape(name)
    if device.type == "cpu":
        raise UsageError("kernels: --trace --device cpu runs no kernel; choose cuda or emulator")
    # Networks for large images take a small one too, in a hundredth of the time.
    side = min(next(side for side in (64, 96, height) if side >= height or takes_size(name, side)), height)
    images = np.zeros((BATCH, channels, side, side), np.float32)
    with tracing() as calls:
        model = create(name).to(device)
        labels = to_device(np.zeros(BATCH, np.int64), device)
        ops.cross_entropy(model(Tensor(to_device(images, device))), labels).backward()
    return images.shape, calls
