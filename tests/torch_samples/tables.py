"""PyTorch's own tables of samples: how each op, module and optimiser is called, and what it refuses."""

from __future__ import annotations

import functools
import importlib
import os
import sys
import types
import unittest
import warnings
import zlib
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from tests.parity import torch

T = TypeVar("T")
EVERYTHING = bool(os.environ.get("CI"))  # else a tenth


@functools.cache
def load(name: str) -> types.ModuleType:
    """torch.testing._internal.common_NAME. Its tables need nothing of expecttest, which its test cases stand on."""
    torch()
    if "expecttest" not in sys.modules:
        stand_in = types.ModuleType("expecttest")
        stand_in.TestCase = unittest.TestCase  # type: ignore[attr-defined]
        sys.modules["expecttest"] = stand_in
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return importlib.import_module(f"torch.testing._internal.common_{name}")


@functools.cache
def ops() -> dict[str, Any]:
    """PyTorch's OpInfo of each name: "cat", "div.floor_rounding", "nn.functional.pad.reflect"."""
    found = load("methods_invocations").op_db
    return {f"{info.name}.{info.variant_test_name}".rstrip("."): info for info in found}


@functools.cache
def modules() -> dict[str, Any]:
    """PyTorch's ModuleInfo of each class of torch.nn."""
    return {info.name.removeprefix("nn."): info for info in load("modules").module_db}


@functools.cache
def optimizers() -> dict[str, Any]:
    """PyTorch's OptimizerInfo of each class of torch.optim."""
    return {info.name: info for info in load("optimizers").optim_db}


def seed_of(key: str) -> int:
    return zlib.crc32(key.encode())


def some_dtypes(names: list[str], key: str) -> list[str]:
    """All of them in CI, else one in four, which `key` says: making the samples is most of the work."""
    return names if EVERYTHING else names[seed_of(key) % min(len(names), 4) :: 4]


def samples(key: str, make: Callable[[], Iterable[T]], share: int = 10) -> list[T]:
    """What `make` gives from the seed `key`: all of it in CI, else one in `share`, from a place that `key` says."""
    load("utils").set_rng_seed(seed_of(key))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch's own samples use what it deprecates
        found = list(make())
    return found if EVERYTHING else found[seed_of(key) % share :: share]
