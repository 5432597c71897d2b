"""CuPy and the emulator, imported when first asked for: each may be missing. The only module that imports cupy."""

from __future__ import annotations

import importlib
import warnings
from functools import cache
from types import ModuleType
from typing import Any

from gpunn.errors import DeviceError


def first_line(error: BaseException) -> str:
    """An error's type and the first line of what it says."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


@cache
def _load_cupy() -> tuple[ModuleType | None, str]:
    """cupy, or None and why not. A broken install may raise anything at import, so everything is caught."""
    try:
        return importlib.import_module("cupy"), ""
    except ModuleNotFoundError as error:
        if error.name == "cupy":
            return None, "CuPy is not installed"
        return None, f"CuPy does not import ({first_line(error)})"
    except Exception as error:
        return None, f"CuPy does not import ({first_line(error)})"


def require_cupy() -> Any:
    """The cupy module. Raises DeviceError, with the pip line that mends it, where it does not import."""
    cupy, problem = _load_cupy()
    if cupy is None:
        raise DeviceError(
            f"device 'cuda': {problem}; install it with `pip install \"gpunn[cuda12]\"` (or cuda13), "
            "or use device 'cpu'; `gpunn doctor` tells more"
        )
    return cupy


def require_nccl() -> Any:
    """The module cupy.cuda.nccl. Raises DeviceError, with the pip line that mends it, where NCCL or CuPy is missing."""
    return nccl_of(require_cupy())


def nccl_of(cupy: Any) -> Any:
    """The same of a CuPy at hand."""
    nccl = getattr(cupy.cuda, "nccl", None)
    if nccl is None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # CuPy warns of what the error says
            nccl = importlib.import_module(f"{cupy.__name__}.cuda.nccl")
    if not nccl.available:
        raise DeviceError(
            "NCCL, by which GPUs work together, does not load (libnccl.so.2); install it with "
            '`pip install "gpunn[nccl]"` (for CUDA 13 `pip install nvidia-nccl-cu13`); `gpunn doctor` tells more'
        )
    return nccl


@cache
def require_emulator() -> Any:
    """The package gpunn.emulator. Raises DeviceError where this version of gpunn has none."""
    try:
        return importlib.import_module("gpunn.emulator")
    except ModuleNotFoundError as error:
        raise DeviceError("device 'emulator': this version of gpunn has no emulator; use device 'cpu'") from error
