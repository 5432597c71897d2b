"""The table of a network's layers, from one run with hooks on them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from gpunn.asked import current_precision
from gpunn.backend import array_module, default_device, device_of, is_array, to_device
from gpunn.backend.contract import Shape
from gpunn.engine import autograd
from gpunn.engine.operators import Operand
from gpunn.engine.tensor import Tensor
from gpunn.nn import kept
from gpunn.nn.parameter import Uninitialized
from gpunn.nn.receptive import Field, Fields, Layer
from gpunn.nn.state import evaluating
from gpunn.notebook import Summary, table
from gpunn.window import short_text

GUESSED = "~ behind a function, not a layer, that shrank the image: taken for a window without overlap"


class Row(NamedTuple):
    """One layer's call; `field` is None where the output is no image, `memory` counts the output's bytes.

    `narrow` names the output's dtype where it has 16 bits, `kept` what the call keeps for backward, where it is asked.
    """

    name: str
    layer: str
    output: tuple[int, ...]
    parameters: int
    flops: int
    field: Field | None
    memory: int
    narrow: str = ""
    kept: int | None = None


def summary(model: Layer, x: Operand | Shape, memory: bool = False) -> Summary:
    """A table of the layers that an input runs through: output, parameters, FLOPs, receptive field, stride, memory.

    x: the input's shape with N, or an input. Runs forward once, in evaluation mode, recording no gradients.
    FLOPs are 2 a multiply-add, of convolutions, linear and recurrent layers. The receptive field is how many pixels of
    the input, in height and width, one pixel of the output depends on, the stride how many lie from one output to the
    next; the largest where branches meet (nn.receptive tells how it is found, and where it is not sure: ~). Memory is
    the output's, 0 where it is the input's own; its sum is what training holds of activations at most, if every layer's
    output is needed again. Under a gpunn.precision the title names it, and outputs of 16 bits their dtype.

    memory=True trains on the input, too, forward and back, and leaves everything as it was; a model in evaluation mode
    is in training mode for the while. It adds a column, what each call keeps for its gradient and none before it did,
    parameters apart; a call that computes what follows it, too, as a convolution does its ReLU and pooling, keeps for
    all of them, and what a block keeps besides its layers has a row of its own. The last line says how much memory was
    in use at most, beyond weights and input.
    """
    found, y = rows(model, x)
    used = kept.kept_by_layer(model, _input(model, x)) if memory else None
    found = found if used is None else _with_kept(found, used.layers)
    head = ("", "layer", "output", "parameters", "FLOPs", "field", "stride", "memory", *["kept"] * memory)
    cells = [
        (
            r.name, r.layer, _output(r), f"{r.parameters:,}", f"{r.flops:,}", *_field(r.field), _bytes(r.memory),
            *["" if r.kept is None else _bytes(r.kept)] * memory,
        )
        for r in found
    ]  # fmt: skip
    parameters = list(model.parameters())
    total = sum(p.size for p in parameters)
    frozen = total - sum(p.size for p in parameters if p.requires_grad)
    flops, outputs = sum(r.flops for r in found), sum(r.memory for r in found)
    sums = ("total", "", _shape(_first_shape(y)), f"{total:,}", f"{flops:,}", "", "", _bytes(outputs))
    sums += () if used is None else (_bytes(used.total),)
    widths = [max(map(len, column)) for column in zip(head, *cells, sums, strict=True)]
    rule = "-" * (sum(widths) + 2 * (len(widths) - 1))
    device, dtype = (device_of(parameters[0].array), parameters[0].dtype) if parameters else ("no device", "no dtype")
    title = f"{type(model).__name__} on {device}, {dtype}" + (f", {frozen:,} parameters frozen" if frozen else "")
    if (precision := current_precision()) != "fp32":
        title += f", products in {precision}"
    lines = [title, _line(head, widths), rule, *[_line(c, widths) for c in cells], rule, _line(sums, widths)]
    if any(r.field is not None and not r.field.sure for r in found):
        lines.append(GUESSED)
    if used is not None:
        lines.append(f"forward and backward in training: at most {_bytes(used.peak)} in use beyond weights and input")
    return Summary("\n".join(lines), table(title, head, [*cells, sums], words=3))


def tree(model: Layer) -> str:
    """What a notebook shows of a network: its layers, and the parameters that each holds itself."""

    def row(name: str, module: Layer) -> tuple[str, ...]:
        own = [(n, None if isinstance(p, Uninitialized) else p) for n, p in module._own_parameters()]
        shapes = ", ".join(f"{n} {'of unknown shape' if p is None else _shape(p.shape)}" for n, p in own)
        depth = "\u2003" * (name.count(".") + 1) if name else ""
        layer = f"{depth}{type(module).__name__}({module.extra_repr()})"
        known = [p for _, p in own if p is not None]
        return name, layer, shapes, f"{sum(p.size for p in known):,}" if known else ""

    cells = [row(name, module) for name, module in model.named_modules()]
    known = [p for p in model.parameters() if not isinstance(p, Uninitialized)]
    title = f"{type(model).__name__}, {sum(p.size for p in known):,} parameters"
    return table(title, ("name", "layer", "holds", "parameters"), cells, words=3)


def rows(model: Layer, x: Operand | Shape) -> tuple[list[Row], Tensor]:
    """A row for each call of a layer that holds parameters itself or has no children, in order; and the output."""
    x = _input(model, x)
    found: list[Row] = []
    counted: set[int] = set()
    fields = Fields(x)

    def note(name: str, module: Layer) -> Callable[[], None]:
        def hook(_: Layer, args: tuple, y: object) -> None:
            own = [p for _, p in module._own_parameters() if id(p) not in counted]
            counted.update(map(id, own))
            shape = _first_shape(y)
            flops = module.flops(_first_shape(args), shape)
            layer = repr(module) if not list(module.children()) else f"{type(module).__name__}({module.extra_repr()})"
            size, field = sum(p.size for p in own), fields.after(module, args, y)
            memory, dtype = _new_bytes(_first(args), _first(y)), getattr(_first(y), "dtype", None)
            narrow = dtype.name if dtype is not None and dtype.itemsize == 2 and dtype.kind in "fV" else ""
            found.append(Row(name, layer, shape, size, flops, field, memory, narrow))

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


def _with_kept(found: list[Row], calls: list[tuple[str, int]]) -> list[Row]:
    """The rows with what their calls keep, None of a layer whose work another's call did; further rows for the rest."""
    waiting: dict[str, list[int]] = {}
    for name, size in calls:
        waiting.setdefault(name, []).append(size)
    given = [row._replace(kept=waiting[row.name].pop(0) if waiting.get(row.name) else None) for row in found]
    rest = {name: sum(sizes) for name, sizes in waiting.items()}
    return given + [Row(name, "between its layers", (), 0, 0, None, 0, "", size) for name, size in rest.items() if size]


def _input(model: Layer, x: Operand | Shape) -> Operand:
    """x itself, or zeros of the shape x, on the model's device in its dtype."""
    if isinstance(x, Tensor) or is_array(x):
        return x
    if not isinstance(x, (tuple, list)) or not all(type(n) is int and n >= 0 for n in x):
        raise TypeError(
            f"summary: x is {x!r}, expected an input, or its shape with the batch, for example (1, 3, 32, 32)"
        )
    first = next(model.parameters(), None)
    zeros = np.zeros(tuple(x), np.float32 if first is None else first.dtype)
    return to_device(zeros, default_device() if first is None else first.device)


def _first(value: Any) -> Any:
    """An array or Tensor, or the first one in a tuple, list or dict."""
    while isinstance(value, (tuple, list, dict)) and value:
        value = next(iter(value.values() if isinstance(value, dict) else value))
    return value


def _first_shape(value: object) -> Shape:
    """The shape of `_first`; () where there is none."""
    return tuple(getattr(_first(value), "shape", ()))


def _new_bytes(x: object, y: object) -> int:
    """The bytes of y; 0 where it is a view of x, or x itself."""
    x, y = (value.array if isinstance(value, Tensor) else value for value in (x, y))
    if not is_array(y) or (is_array(x) and bool(array_module(y).may_share_memory(x, y))):
        return 0
    return y.nbytes


def _field(field: Field | None) -> tuple[str, str]:
    """Size and step in words: "7", "1x7", "~14" where it is not sure, "" where there is none."""
    if field is None:
        return "", ""
    size, step = ([f"{n:g}" for n in values] for values in (field.size, field.step))
    return ("" if field.sure else "~") + short_text(size), short_text(step)


def _bytes(count: int) -> str:
    """1536 as "1.5 KiB"."""
    if count < 1024:
        return f"{count} B"
    power = min((count.bit_length() - 1) // 10, 3)
    return f"{count / 1024**power:.1f} {('KiB', 'MiB', 'GiB')[power - 1]}"


def _shape(shape: tuple[int, ...]) -> str:
    return "(" + ", ".join(map(str, shape)) + ")"


def _output(row: Row) -> str:
    """Its shape, and what it is of where that has 16 bits."""
    return f"{_shape(row.output)} {row.narrow}".rstrip()


def _line(cells: tuple[str, ...], widths: list[int]) -> str:
    """Words to the left, numbers to the right."""
    padded = [c.ljust(w) if i < 3 else c.rjust(w) for i, (c, w) in enumerate(zip(cells, widths, strict=True))]
    return "  ".join(padded).rstrip()
