"""Where a run computes, and in which precision: both checked before anything is loaded."""

from __future__ import annotations

import numpy as np

from gpunn import backend
from gpunn.errors import UsageError, unknown_name

PRECISIONS = {"fp32": np.dtype(np.float32), "fp64": np.dtype(np.float64)}
PLANNED = ("tf32", "bf16", "fp16")


def usable_device(name: str) -> backend.Device:
    """The device called ``name``. Raises UsageError for an unknown name, DeviceError where it is not there."""
    try:
        wanted = backend.device(name)
    except ValueError as error:
        raise UsageError(str(error)) from error
    with wanted:  # entering asks whether it is there
        return wanted


def dtype_of(precision: str, device: backend.Device) -> np.dtype:
    """The dtype that ``--precision`` stands for. Raises UsageError for what this device does not compute in."""
    if precision in PLANNED:
        raise UsageError(
            f"--precision {precision} is not there yet on {device}; use fp32"
            f"{', or fp64' if device.type == 'cpu' else ''}"
        )
    if precision not in PRECISIONS:
        raise unknown_name("precision", precision, PRECISIONS)
    if precision == "fp64" and device.type != "cpu":
        raise UsageError(f"--precision fp64 runs on cpu alone, not on {device}; use fp32, or --device cpu")
    return PRECISIONS[precision]
