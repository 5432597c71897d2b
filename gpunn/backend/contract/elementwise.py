"""Element by element, and over axes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from gpunn.backend.contract.terms import Array, Backward, Shape

if TYPE_CHECKING:
    from gpunn.random import Draw


class Activation(Protocol):
    """Activations by name (relu, tanh, ...), with the numbers that they take as ``options``."""

    def forward(self, name: str, x: Array, options: tuple[float, ...], wanted: bool) -> tuple[Array, Array]:
        """y, and what backward takes; ``wanted`` says whether there will be a backward."""
        ...

    def backward(self, name: str, gy: Array, kept: Array, options: tuple[float, ...]) -> Array:
        """gx, from what forward kept."""
        ...

    def slopes(self, name: str, gy: Array, seen: Array, options: tuple[float, ...]) -> Array:
        """gx, from x where gpunn.pointwise.reads_x says so, else from y."""
        ...


class Dropout(Protocol):
    """Random zeros, from the numbers of `gpunn.random`."""

    def drop(self, x: Array, mask_shape: Shape, p: float, draw: Draw | Array) -> tuple[Array, Backward]:
        """x, each element 0 with probability p, else times 1 / (1 - p); and the function for its gradient.

        Inside a captured graph the draw is device memory: its three numbers, other ones at each replay.
        """
        ...


class Elementwise(Protocol):
    """Functions of arrays, element by element, in the memory order of the first array of the result's shape."""

    def apply(self, name: str, *operands: Any) -> Array:
        """NumPy's function of this name, or one of gpunn.pointwise, of arrays and numbers that fit together."""
        ...

    def add_into(self, total: Array, x: Array) -> None:
        """Add x to a total of its shape, in place; nobody else holds that."""
        ...

    def place(self, x: Array, shape: Shape, first: Shape, step: Shape, value: float = 0) -> Array:
        """An array of this shape and x's memory order: x from `first` on in these steps along each axis, else value."""
        ...

    def in_memory(self, x: Array, order: Shape) -> Array:
        """x with its axes in this order, in memory row by row: a view where it is so, else a copy."""
        ...


class Reduce(Protocol):
    """Reductions of floats, in the memory order of what they reduce."""

    def reduced(self, name: str, x: Array, axes: Shape, factor: Array | None = None) -> Array:
        """The reduction of this name of floats, of x or of x times a factor, over axes that stay as 1.

        "sum", "mean", "max", "min"; of x alone also "prod", "norm1" (sum of |x|), "norm2" and "amax" (largest |x|).
        """
        ...

    def extreme(self, name: str, x: Array, axes: Shape) -> tuple[Array, Array]:
        """The "max" or "min" of floats over axes that stay as 1, and its int64 place among them in logical order.

        Of equal ones the first wins, and the first NaN over all.
        """
        ...


class Indexing(Protocol):
    """Rows of a table by number, and the gradient of x[index]."""

    def rows(self, table: Array, index: Array, op: str) -> Array:
        """y (*, ...) of table (V, ...) and index (*): RowError at once, or on a device noted, for what is no row."""
        ...

    def check(self, index: Array, count: int, erring: Any, *known: Any) -> None:
        """erring(number, at, *known), at once or on a device noted, for the first number outside of 0 .. count-1."""
        ...

    def add(self, gy: Array, index: Any, shape: Shape) -> Array:
        """gx of this shape: each element of gy added at the place from which it was read, in gy's order."""
        ...
