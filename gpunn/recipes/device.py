"""Where a run computes, and in which precision: both checked before anything is loaded."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import numpy as np

import gpunn
from gpunn import backend
from gpunn.asked import PRECISIONS as MULTIPLIED
from gpunn.errors import UsageError, unknown_name
from gpunn.ranks.group import current

WEIGHTS = {"fp64": np.dtype(np.float64)}  # of the other precisions float32
PRECISIONS = (*MULTIPLIED, *WEIGHTS)


def usable_device(name: str) -> backend.Device:
    """The device called ``name``. Raises UsageError for an unknown name, DeviceError where it is not there."""
    try:
        wanted = backend.device(name)
    except ValueError as error:
        raise UsageError(str(error)) from error
    if wanted.type == "cuda" and (group := current()).kind == "nccl":
        wanted = backend.device("cuda", group.device.id)  # type: ignore[attr-defined]: of a rank, which has its own
    with wanted:  # entering asks whether it is there
        return wanted


def dtype_of(precision: str, device: backend.Device) -> np.dtype:
    """The dtype of weights and images under ``--precision``.

    Raises UsageError for what this device does not compute in, DeviceError where NumPy lacks bf16's numbers.
    """
    if precision not in PRECISIONS:
        raise unknown_name("precision", precision, PRECISIONS)
    if precision == "fp64" and device.type != "cpu":
        raise UsageError(f"--precision fp64 runs on cpu alone, not on {device}; use fp32, or --device cpu")
    asking(precision)
    return weights_dtype(precision)


def weights_dtype(precision: str) -> np.dtype:
    """The dtype of a run's weights."""
    return WEIGHTS.get(precision, np.dtype(np.float32))


def asking(precision: str) -> AbstractContextManager:
    """A block in which products are taken in this precision."""
    name = multiplied(precision)
    return nullcontext() if name is None else gpunn.precision(name)


def multiplied(precision: str) -> str | None:
    """The precision as a Trainer takes it; None where the weights' dtype says it."""
    return None if precision in WEIGHTS else precision
