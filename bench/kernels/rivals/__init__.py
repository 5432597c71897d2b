"""Other programs that do the same work: which are installed, and the call of each for a subject."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

from gpunn import backend
from gpunn.errors import unknown_name

MODULES = {"torch": "eager", "compiled": "eager", "cupy": "im2col", "cudnn": "frontend"}
ABOUT = {
    "torch": "PyTorch, eager (cuDNN on a GPU, oneDNN on a CPU)",
    "compiled": "PyTorch, torch.compile",
    "cupy": "CuPy alone: im2col and cuBLAS, or array expressions",
    "cudnn": "cuDNN's own graphs through cudnn-frontend",
}


class Unsupported(Exception):
    """A rival does not do this; its text says why."""


def names_of(wanted: str | None, device: str) -> list[str]:
    """The rivals to ask: those named, else the ones that make sense on this device."""
    if backend.device(device).type == "emulator":
        return []
    if wanted is None:
        return list(MODULES) if backend.device(device).type == "cuda" else ["torch"]
    names = [name.strip() for name in wanted.split(",") if name.strip() not in ("", "none")]
    for name in names:
        if name not in MODULES:
            raise unknown_name("rival", name, [*MODULES, "none"])
    return names


def present(names: list[str], device: str) -> dict[str, str]:
    """What each rival says of itself: its version, or "missing: ..." with the reason."""
    said = {}
    for name in names:
        try:
            said[name] = importlib.import_module(f"bench.kernels.rivals.{MODULES[name]}").version(device)
        except Unsupported as error:
            said[name] = f"missing: {error}"
    return said


def call(name: str, subject: Any, device: str) -> Callable[[], Any]:
    """The rival's function for a subject, its arrays already on the device. Raises Unsupported."""
    module = importlib.import_module(f"bench.kernels.rivals.{MODULES[name]}")
    run = module.call(subject, device)
    if name == "compiled":
        import torch

        return torch.compile(run, dynamic=False)
    return run
