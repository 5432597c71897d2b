"""Onto which device a file's tensors go: what PyTorch's map_location says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from gpunn import backend
from gpunn.backend import Array, Device, to_device
from gpunn.engine.tensor import Tensor
from gpunn.errors import CheckpointError, DeviceError

MapLocation: TypeAlias = str | int | Device | Mapping[str, str] | Callable[[Tensor, str], Any] | None


def placed(flat: Array, location: str, map_location: MapLocation) -> Array:
    """A storage's array on its device.

    Raises:
        CheckpointError: the file's device is not here, and nothing maps it to another.
    """
    if callable(map_location):
        chosen = map_location(Tensor(flat), location)
        if isinstance(chosen, Tensor):
            return to_device(flat, chosen.device)
    elif isinstance(map_location, Mapping):
        location = map_location.get(location, location)
    elif map_location is not None:
        return to_device(flat, backend.device(map_location))
    try:
        return to_device(flat, backend.device(location))
    except (DeviceError, ValueError) as error:
        raise CheckpointError(
            f"load: the file has tensors of device {location[:60]!r}, which is not here ({error}); pass "
            "map_location='cpu'"
        ) from error
