"""Filters of images past 2^31 elements: of many planes, and along many rows."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gpunn.backend import Array
from gpunn.reference import filter as oracle
from gpunn.verify.space import Beyond, Space, numbers

PLANES, ROWS, KEPT, BORDER = 2**20 + 2, 2**24 + 8, 2, "reflect"
SHAPES = {"2^20 planes": ((PLANES, 32, 72), (3, 3)), "2^24 rows": ((ROWS, 136), (5,))}


def filters(space: Space) -> Iterator[Beyond]:
    """x of which the last planes, or rows, are not zero."""
    for name, (shape, size) in SHAPES.items():
        yield from _filters(space, name, shape, size)


def _filters(space: Space, name: str, shape: tuple[int, ...], size: tuple[int, ...]) -> Iterator[Beyond]:
    below, above = (numbers(one, KEPT, *shape[1:]) for one in ("x", "gy"))
    kernel, terms = numbers("w", *size), int(np.prod(size))

    def spread(values: np.ndarray) -> Array:
        made = space.zeros(*shape)
        made[-KEPT:] = space.give(values)
        return made

    def forward() -> tuple:
        return (space.twins.filter.forward(spread(below), space.give(kernel), BORDER)[-KEPT:],)

    def grad_input() -> tuple:
        return (space.twins.filter.grad_input(spread(above), space.give(kernel), BORDER)[-KEPT:],)

    def want() -> tuple:
        return ((oracle.forward(below, kernel, BORDER), terms, None),)

    def want_input() -> tuple:
        return ((oracle.grad_input(above, kernel, BORDER), terms, None),)

    yield Beyond("filter.forward", name, 12, 32, forward, want)
    yield Beyond("filter.grad_input", name, 12, 32, grad_input, want_input)
