"""The table of a network's layers, from one run with hooks on them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from gpunn import autograd
from gpunn.backend import default_device, device_of, is_array, to_device
from gpunn.nn.module import Module
from gpunn.nn.state import evaluating
from gpunn.tensor import Tensor


class Row(NamedTuple):
    """One layer's call."""

    name: str
    layer: str
    output: tuple[int, ...]
    parameters: int
    flops: int


def summary(model: Module, x: Any) -> str:
    """The table of `rows`, with a line of sums. FLOPs are 2 a multiply-add, of convolutions and linear layers."""
    found, y = rows(model, x)
    head = ("", "layer", "output", "parameters", "FLOPs")
    cells = [(r.name, r.layer, _shape(r.output), f"{r.parameters:,}", f"{r.flops:,}") for r in found]
    parameters = list(model.parameters())
    total = sum(p.size for p in parameters)
    frozen = total - sum(p.size for p in parameters if p.requires_grad)
    sums = ("total", "", _shape(_first_shape(y)), f"{total:,}", f"{sum(r.flops for r in found):,}")
    widths = [max(map(len, column)) for column in zip(head, *cells, sums, strict=True)]
    rule = "-" * (sum(widths) + 2 * (len(widths) - 1))
    device, dtype = (device_of(parameters[0].data), parameters[0].dtype) if parameters else ("no device", "no dtype")
    title = f"{type(model).__name__} on {device}, {dtype}" + (f", {frozen:,} parameters frozen" if frozen else "")
    lines = [title, _line(head, widths), rule, *[_line(c, widths) for c in cells], rule, _line(sums, widths)]
    return "\n".join(lines)


def rows(model: Module, x: Any) -> tuple[list[Row], Any]:
    """A row for each call of a layer that holds parameters itself or has no children, in order; and the output."""
    x = _input(model, x)
    found: list[Row] = []
    counted: set[int] = set()

    def note(name: str, module: Module) -> Any:
        def hook(_: Module, args: tuple, y: Any) -> None:
            own = [p for _, p in module._own_parameters() if id(p) not in counted]
            counted.update(map(id, own))
            shape = _first_shape(y)
            flops = module.flops(_first_shape(args), shape)
            layer = repr(module) if not list(module.children()) else f"{type(module).__name__}({module.extra_repr()})"
            found.append(Row(name, layer, shape, sum(p.size for p in own), flops))

        return module.register_forward_hook(hook)

    leaves = [(n, m) for n, m in model.named_modules() if not list(m.children()) or list(m._own_parameters())]
    removers = [note(name, module) for name, module in leaves]
    try:
        with autograd.no_grad(), evaluating(model):
            y = model(x)
    finally:
        for remove in removers:
            remove()
    return found, y


def _input(model: Module, x: Any) -> Any:
    """x itself, or zeros of the shape x, on the model's device in its dtype."""
    if isinstance(x, Tensor) or is_array(x):
        return x
    if not isinstance(x, (tuple, list)) or not all(isinstance(n, int) and n >= 0 for n in x):
        raise TypeError(
            f"summary: x is {x!r}, expected an input, or its shape with the batch, for example (1, 3, 32, 32)"
        )
    first = next(model.parameters(), None)
    zeros = np.zeros(tuple(x), np.float32 if first is None else first.dtype)
    return to_device(zeros, default_device() if first is None else first.device)


def _first_shape(value: Any) -> tuple[int, ...]:
    """The shape of an array, or of the first one in a tuple, list or dict; () where there is none."""
    while isinstance(value, (tuple, list, dict)) and value:
        value = next(iter(value.values() if isinstance(value, dict) else value))
    return tuple(getattr(value, "shape", ()))


def _shape(shape: tuple[int, ...]) -> str:
    return "(" + ", ".join(map(str, shape)) + ")"


def _line(cells: tuple[str, ...], widths: list[int]) -> str:
    """Words to the left, numbers to the right."""
    padded = [c.ljust(w) if i < 3 else c.rjust(w) for i, (c, w) in enumerate(zip(cells, widths, strict=True))]
    return "  ".join(padded).rstrip()
