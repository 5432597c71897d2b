"""The step of a recurrent layer on CUDA and emulated arrays: what follows its products, in one launch each way.

All arrays are the layer's own, row-major, and changed in place; which of their rows a step reads and writes are numbers
of the call, so that one plan serves all steps.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from gpunn.cuda.checks import check_devices
from gpunn.cuda.dtypes import EPILOGUES, pack, storage_macros
from gpunn.cuda.kernel import blocks
from gpunn.cuda.plans import KEPT, Launch, Plan, Scalar
from gpunn.cuda.problem import Problem
from gpunn.cuda.signature import Layout
from gpunn.cuda.variants import Asked, Operation, Variant

THREADS = 256
LSTM, GRU = "LSTM", "GRU"  # PyTorch's words, as RNN_TANH and RNN_RELU are
# The operands of each kernel, arrays and then the numbers of a step.
ROWS = ("t", "before", "after")
FORWARD = {
    "lstm": (("gates", "product", "states", "cells", "lengths", "y"), (*ROWS, "cell_before", "cell_after", "keep")),
    "gru": (("gates", "product", "states", "inner", "lengths", "y"), ROWS),
    "rnn": (("gates", "product", "states", "lengths", "y"), ROWS),
}
BACKWARD = {
    "lstm": (("gy", "gh", "carry", "gc", "gates", "cells", "lengths", "ggates"), ROWS),
    "gru": (
        ("gy", "gh", "carry", "gates", "inner", "states", "lengths", "ggates", "gproducts"),
        ("t", "before"),
    ),
    "rnn": (("gy", "gh", "carry", "states", "lengths", "ggates"), ("t", "after")),
}


@dataclass(frozen=True)
class Recurrent(Problem):
    """One step of a recurrent layer: N samples of H hidden units. ``mode`` is PyTorch's: RNN_TANH, RNN_RELU, ..."""

    N: int
    H: int
    mode: str

    @property
    def struct(self) -> dict[str, int]:
        return {**self.letters, "activation": ending(self.mode)}


def ending(mode: str) -> int:
    """The activation that a mode's step ends with, by the kernels' number; gates are another matter."""
    return EPILOGUES[{"RNN_TANH": "tanh", "RNN_RELU": "relu"}.get(mode)]


def family(mode: str) -> str:
    """The kernels that a mode runs: "lstm", "gru" or "rnn"."""
    return mode.partition("_")[0].lower()


# ---------------------------------------------------------------- variants
def _refuse_vector(job: Recurrent) -> str:
    if job.H % pack(job.dtype):
        return f"H = {job.H} is no multiple of {pack(job.dtype)}"
    return "" if job.aligned else "an array does not start on a multiple of 16 bytes"


def _plan(name: str, operands: tuple[tuple[str, ...], tuple[str, ...]], wide: bool) -> Callable[[Recurrent], Any]:
    def plan(job: Recurrent) -> tuple[Launch, ...]:
        width = pack(job.dtype) if wide else 1
        macros = {**storage_macros(job.dtype), "VEC": width}
        arrays, numbers = operands
        grid = (blocks(job.N * job.H // width, THREADS),)
        return (Launch(name, macros, grid, (THREADS,), (*arrays, job, *numbers)),)

    return plan


def _operation(name: str, operands: tuple[tuple[str, ...], tuple[str, ...]]) -> Operation:
    file = f"recurrent/{name}"
    return Operation(
        f"recurrent.{name}",
        Variant("vector", (file,), "H a multiple of a 16-byte access", _plan(file, operands, True), _refuse_vector),
        Variant("element", (file,), "every size", _plan(file, operands, False)),
    )


_FORWARD = {kind: _operation(f"{kind}_forward", operands) for kind, operands in FORWARD.items()}
_BACKWARD = {kind: _operation(f"{kind}_backward", operands) for kind, operands in BACKWARD.items()}


# ---------------------------------------------------------------- plans
@lru_cache(KEPT)
def forward(mode: str, sizes: tuple[int, int], arrays: tuple[tuple | None, ...], asked: Asked) -> Plan:
    """The plan of a step forward for arrays of these layouts, in the order of FORWARD; sizes: N, H."""
    kind = family(mode)
    return _planned(_FORWARD[kind], FORWARD[kind], mode, sizes, arrays)


@lru_cache(KEPT)
def backward(mode: str, sizes: tuple[int, int], arrays: tuple[tuple | None, ...], asked: Asked) -> Plan:
    """The plan of a step back, in the order of BACKWARD."""
    kind = family(mode)
    return _planned(_BACKWARD[kind], BACKWARD[kind], mode, sizes, arrays)


def _planned(
    operation: Operation,
    operands: tuple[tuple[str, ...], tuple[str, ...]],
    mode: str,
    sizes: tuple[int, int],
    arrays: tuple[tuple | None, ...],
) -> Plan:
    names, numbers = operands
    found = {name: None if one is None else Layout(*one) for name, one in zip(names, arrays, strict=True)}
    check_devices(operation.name, **found)
    floats = [one for name, one in found.items() if one is not None and name != "lengths"]
    states = found["states" if "states" in found else "ggates"]
    assert states is not None
    job = Recurrent(states.dtype.name, all(one.aligned for one in floats), *sizes, mode)
    inputs: dict[str, Layout | Scalar | None] = {**found, **dict.fromkeys(numbers, Scalar(np.int32))}
    return operation.plan(job, inputs, {}, empty=not sizes[0])
