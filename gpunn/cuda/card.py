"""PyTorch's torch.cuda, as far as scripts ask it: which GPUs there are, their memory, waiting for them.

On a machine without CuPy or a GPU there are none, and what needs one raises DeviceError.
"""

from __future__ import annotations

from typing import Any, TypeAlias

from gpunn import random
from gpunn.backend import Device, require_cupy
from gpunn.backend import device as device_named
from gpunn.backend import is_available as device_is_available
from gpunn.backend import synchronize as synchronize_device
from gpunn.backend.device import require
from gpunn.errors import DeviceError

Place: TypeAlias = str | int | Device | None


def is_available() -> bool:
    """Whether arrays can live, and kernels run, on a GPU now.

    Examples:
        >>> device = gpunn.device("cuda" if gpunn.cuda.is_available() else "cpu")
    """
    return device_is_available("cuda")


def device_count() -> int:
    """The number of GPUs; 0 where none can be used."""
    return _cupy().cuda.runtime.getDeviceCount() if is_available() else 0


def current_device() -> int:
    """The number of the GPU on which CuPy computes now. DeviceError where there is none."""
    return _cupy().cuda.runtime.getDevice()


def get_device_name(device: Place = None) -> str:
    """The name of a GPU, the current one by default. DeviceError where there is none."""
    name = _properties(device)["name"]
    return name.decode() if isinstance(name, bytes) else name


def get_device_capability(device: Place = None) -> tuple[int, int]:
    """The compute capability of a GPU, (9, 0) for 9.0. DeviceError where there is none."""
    found = _properties(device)
    return found["major"], found["minor"]


def synchronize(device: Place = None) -> None:
    """Wait until a GPU, the current one by default, has finished. DeviceError where there is none."""
    synchronize_device(_place(device))


def empty_cache() -> None:
    """Give the memory that arrays no longer use back to the GPU; nothing where there is none."""
    if is_available():
        _cupy().get_default_memory_pool().free_all_blocks()


def memory_allocated(device: Place = None) -> int:
    """Bytes of a GPU that arrays use; 0 where there is none."""
    return _pool(device, "used_bytes")


def memory_reserved(device: Place = None) -> int:
    """Bytes of a GPU that are kept for arrays; 0 where there is none."""
    return _pool(device, "total_bytes")


def manual_seed(seed: int) -> None:
    """`gpunn.manual_seed`: there is one stream of numbers, the same on every device."""
    random.manual_seed(seed)


def manual_seed_all(seed: int) -> None:
    """`gpunn.manual_seed`: there is one stream of numbers, the same on every device."""
    random.manual_seed(seed)


def _cupy() -> Any:
    """CuPy, with a GPU that it can use; DeviceError where one of them is missing."""
    require(Device("cuda"))
    return require_cupy()


def _place(device: Place) -> Device:
    wanted = device_named(current_device() if device is None else device)
    if wanted.type != "cuda":
        raise DeviceError(f"cuda: device is {str(wanted)!r}, expected a GPU, such as 'cuda:0'; leave it out")
    return wanted


def _properties(device: Place) -> Any:
    wanted = _place(device)
    with wanted:
        return _cupy().cuda.runtime.getDeviceProperties(wanted.index)


def _pool(device: Place, what: str) -> int:
    if not is_available():
        return 0
    with _place(device):
        return getattr(_cupy().get_default_memory_pool(), what)()
