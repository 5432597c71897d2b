"""PyTorch's torch.accelerator: the GPU, where there is one."""

from __future__ import annotations

from gpunn import cuda
from gpunn.backend import Device


def is_available() -> bool:
    """Whether there is a GPU to compute on.

    Examples:
        >>> device = gpunn.accelerator.current_accelerator() or gpunn.device("cpu")
    """
    return cuda.is_available()


def current_accelerator(check_available: bool = False) -> Device | None:
    """The device of GPUs; None where there is none."""
    return Device("cuda") if is_available() else None


def device_count() -> int:
    """The number of GPUs."""
    return cuda.device_count()


def synchronize(device: str | int | Device | None = None) -> None:
    """Wait until a GPU has finished. DeviceError where there is none."""
    cuda.synchronize(device)
