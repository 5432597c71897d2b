"""How much of the input one element of a layer's output sees, followed through a run of a network."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, Protocol, TypeAlias

from gpunn.backend import Array, is_array
from gpunn.backend.contract import Shape
from gpunn.engine.tensor import Tensor
from gpunn.nn.parameter import Parameter

# How far a layer sees, for each spatial dimension: how many neighbours an element of y reads, and the step between.
Reach: TypeAlias = tuple[tuple[float, ...], tuple[float, ...]]


class Layer(Protocol):
    """What is asked of a Module, which stands on this file and so is not imported here."""

    def __call__(self, *args: Any, **kwargs: Any) -> Tensor: ...
    def forward(self, *args: Any, **kwargs: Any) -> Any: ...
    def children(self) -> Iterator[Layer]: ...
    def named_modules(self) -> Iterator[tuple[str, Layer]]: ...
    def parameters(self) -> Iterator[Parameter]: ...
    def _own_parameters(self) -> Iterator[tuple[str, Parameter]]: ...
    def register_forward_hook(self, hook: Callable) -> Callable[[], None]: ...
    def extra_repr(self) -> str: ...
    def flops(self, x_shape: Shape, y_shape: Shape) -> int: ...
    def reach(self, x_shape: Shape, y_shape: Shape) -> Reach | None: ...


class Field(NamedTuple):
    """Per spatial dimension: the input elements that one output sees, and those from one output to the next.

    Not `sure` where a function of unknown window lies on the way.
    """

    size: tuple[float, ...]
    step: tuple[float, ...]
    sure: bool = True

    def through(self, reach: Field) -> Field:
        """Behind a layer that reads `reach.size` neighbours at every `reach.step`-th place."""
        size = [n + (k - 1) * s for n, k, s in zip(self.size, reach.size, self.step, strict=True)]
        step = tuple(s * t for s, t in zip(self.step, reach.step, strict=True))
        return Field(tuple(size), step, self.sure and reach.sure)

    def joined(self, other: Field) -> Field:
        """The larger of two branches."""
        size, step = (tuple(map(max, a, b)) for a, b in ((self.size, other.size), (self.step, other.step)))
        return Field(size, step, self.sure and other.sure)


class Fields:
    """The fields of the arrays in one run of a network on x.

    A layer's field is its input's, widened by what Module.reach says of it; where arrays of several branches meet, the
    largest counts. Layers tell an array by its identity. One that no layer made (a sum, a concatenation, a function's
    result) has the largest field of those of its height and width so far; if there is none of its size, the last one
    counts, as behind a window without overlap that shrank it so, and the field is not sure. Statistics that a norm
    takes over the image are left out.
    """

    def __init__(self, x: Any):
        self._known: dict[int, tuple[weakref.ref, Field | None]] = {}
        self._seen: list[tuple[Shape, Field]] = []
        for each in _arrays(x):
            self._remember(each, Field((1,) * max(each.ndim - 2, 0), (1,) * max(each.ndim - 2, 0)))

    def after(self, module: Layer, args: tuple, y: Any) -> Field | None:
        """The field of a layer's output; None where it is no image, or behind no image."""
        inputs, outputs = _arrays(args), _arrays(y)
        rank = outputs[0].ndim - 2 if outputs else 0
        given = [field for field in map(self._of, inputs) if field is not None]
        fields = [field for field in given if len(field.size) == rank]
        if rank < 1 or not fields:
            if inputs and not given:  # made of numbers that are no image, such as a code: each may have seen all of x
                self._known |= {id(each): (weakref.ref(each), None) for each in outputs}
            return None
        field = fields[0]
        for other in fields[1:]:
            field = field.joined(other)
        reach = module.reach(inputs[0].shape, outputs[0].shape)
        if reach is not None:
            if len(reach[0]) != rank:  # an image without a batch, whose first dimension is not its batch's
                return None
            field = field.through(Field(*reach))
        for each in outputs:
            self._remember(each, field)
        return field

    def _of(self, array: Array) -> Field | None:
        held = self._known.get(id(array))
        if held is not None and held[0]() is array:
            return held[1]
        field = self._by_size(array.shape[2:])
        if field is not None:
            self._remember(array, field)
        return field

    def _by_size(self, size: Shape) -> Field | None:
        alike = [field for seen, field in self._seen if seen == size]
        if alike:
            largest = alike[0]
            for field in alike[1:]:
                largest = largest.joined(field)
            return largest
        before = next(((s, f) for s, f in reversed(self._seen) if len(s) == len(size) and 0 not in (*s, *size)), None)
        if before is None or not size:
            return None
        ratios = tuple(float(round(n / m)) if n >= m else n / m for n, m in zip(before[0], size, strict=True))
        return before[1].through(Field(tuple(max(r, 1.0) for r in ratios), ratios, sure=False))

    def _remember(self, array: Array, field: Field) -> None:
        if array.ndim > 2:
            # Weak, so that a large network's activations are freed on the way.
            self._known[id(array)] = (weakref.ref(array), field)
            self._seen.append((array.shape[2:], field))


def _arrays(value: Any) -> list[Array]:
    """The raw arrays in a value, or in a tuple, list or dict of values."""
    if isinstance(value, Tensor):
        return [value.array]
    if is_array(value):
        return [value]
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, (tuple, list)) else ()
    return [array for part in parts for array in _arrays(part)]
