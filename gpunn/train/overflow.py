"""Which layer's output is too large for fp16: looked for once a step went wrong, so that good ones wait for nothing."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np

from gpunn import backend, random
from gpunn.asked import current_precision
from gpunn.backend import Array
from gpunn.engine.autograd import no_grad
from gpunn.engine.tensor import Tensor
from gpunn.nn import Module

LARGEST = 65504  # float16's


def overflow(model: Module, x: Array | None) -> str:
    """The first layer whose output of x is not finite in fp16, in words behind a semicolon; "" where there is none.

    A copy of the model runs forward once more, in the mode and precision that hold here, and the random numbers are
    put back: nothing changes. What the copy cannot do is no reason to hide the error that is under way.
    """
    if x is None or current_precision() != "fp16":
        return ""
    state = random.get_state()
    try:
        return _first(copy.deepcopy(model), x)
    except Exception:
        return ""
    finally:
        random.set_state(state)


def _first(model: Module, x: Array) -> str:
    if not _finite(x):
        return "; the input itself is not finite"
    found: list[str] = []

    def watch(name: str) -> Callable[[Module, tuple, object], None]:
        def hook(layer: Module, args: tuple, y: object) -> None:
            if not found and not _finite(y):
                found.append(_words(name, layer, all(map(_finite, args))))

        return hook

    for name, layer in model.named_modules():
        layer.register_forward_hook(watch(name))
    with no_grad(), np.errstate(all="ignore"):
        model(x)
    return found[0] if found else ""


def _words(name: str, layer: Module, fed: bool) -> str:
    """What is wrong with a layer's output; `fed`: what it was given is finite."""
    kind = repr(layer) if not list(layer.children()) else type(layer).__name__
    who = f"{name} ({kind})" if name else kind
    bad = next((own for own, p in layer._own_parameters() if not _finite(p)), "")
    if bad:
        return f"; {bad} of {who} is not finite"
    where = f"the output of {who}" if fed else f"what the model computes between layers and gives to {who}"
    return f'; {where} is the first beyond fp16, whose largest number is {LARGEST}: train in bf16 (precision="bf16")'


def _finite(value: Any) -> bool:
    """Whether all numbers of an array or Tensor are finite; true of anything else."""
    a = value.array if isinstance(value, Tensor) else value
    if not backend.is_array(a) or a.dtype.kind not in "fV":
        return True
    return bool(backend.to_numpy(backend.array_module(a).isfinite(a).all()))
