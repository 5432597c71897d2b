"""pad: elements added around an array, or taken away from its edges."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gpunn.backend import Array, array_module, twins
from gpunn.engine.autograd import Gradients, Needs
from gpunn.engine.operators import A
from gpunn.engine.tensor import data_of, record
from gpunn.ops.indexing import getitem
from gpunn.ops.out import with_out
from gpunn.ops.reduce import wide

_NUMPY_MODE: dict[str, Any] = {"constant": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}


@with_out
def pad(
    x: A,
    padding: Sequence[int] | Sequence[Sequence[int]],
    mode: str = "constant",
    value: float = 0,
    *,
    out: Array | None = None,
) -> A:
    """x with elements added around it.

    Args:
        x: any shape.
        padding: PyTorch's flat tuple (left, right, top, bottom, ...), last dimension first, or NumPy's pairs
            ((before, after), ...), first dimension first, one for each dimension.
        mode: "constant" (``value``), "reflect" (mirrored at the edge element), "replicate" (the edge element) or
            "circular" (from the other side).

    A negative size takes elements away.

    Raises:
        ValueError: too many pads, more taken away than there is, an unknown mode, or a mirror or circle longer than x.

    >>> ops.pad([[1.0, 2.0]], (1, 0))
    array([[0., 1., 2.]], dtype=float32)
    >>> ops.pad([[1.0, 2.0, 3.0]], (2, 1), mode="reflect")
    array([[3., 2., 1., 2., 3., 2.]], dtype=float32)
    >>> ops.pad([[1.0, 2.0, 3.0]], (-1, 1))
    array([[2., 3., 0.]], dtype=float32)
    """
    a = data_of(x)
    widths = _pad_widths(a, padding)
    if any([n < 0 for pair in widths for n in pair]):
        grown = [(max(before, 0), max(after, 0)) for before, after in widths]
        rest = tuple([slice(max(-before, 0), after if after < 0 else None) for before, after in widths])
        # As PyTorch has it: circles close over what is left, mirrors and edges are those of the whole.
        return pad(getitem(x, rest), grown, mode) if mode == "circular" else getitem(pad(x, grown, mode, value), rest)
    if mode not in _NUMPY_MODE:
        raise ValueError(f"pad: unknown mode {mode!r}; expected one of {', '.join(_NUMPY_MODE)}")
    for axis, (n, both) in enumerate(zip(a.shape, widths, strict=True)):
        longest = {"reflect": max(n - 1, 0), "circular": n, "replicate": max(both) if n else 0}.get(mode)
        if longest is not None and max(both) > longest:
            raise ValueError(
                f"pad: mode {mode!r} cannot pad axis {axis} of size {n} by {both}; expected at most {longest}: "
                "pad less or use mode 'constant'"
            )
    shape, other = a.shape, _NUMPY_MODE[mode]
    y = _framed(a, widths, value) if mode == "constant" else array_module(a).pad(a, widths, mode=other)

    def backward(gy: Array, needs: Needs) -> Gradients:
        gx = gy if mode == "constant" else wide(gy)
        for axis, (n, (before, after)) in enumerate(zip(shape, widths, strict=True)):
            if before or after:
                gx = _unpad(gx, axis, n, before, after, mode)
        return (gx.astype(gy.dtype, copy=False),)

    return record("pad", y, (x,), backward)


def _framed(a: Array, widths: list[tuple[int, int]], value: float) -> Array:
    """`a` in a frame of `value`, in a's memory order, which NumPy's and CuPy's pad would not keep."""
    shape = tuple([before + n + after for n, (before, after) in zip(a.shape, widths, strict=True)])
    if shape == a.shape:
        return a.copy(order="K")
    return twins(a).elementwise.place(a, shape, tuple([before for before, _ in widths]), (1,) * a.ndim, value)


def _pad_widths(a: Array, padding: Any) -> list[tuple[int, int]]:
    if not hasattr(padding, "__len__"):
        raise TypeError(
            f"pad: padding is {padding!r}, expected (left, right, top, bottom, ...), or (before, after) for each "
            f"of the {a.ndim} dimensions"
        )
    parts = tuple(padding)
    if parts and hasattr(parts[0], "__len__"):
        good = len(parts) == a.ndim and all(len(pair) == 2 for pair in parts)
        widths = [(int(pair[0]), int(pair[-1])) for pair in parts]
    else:
        good = len(parts) % 2 == 0 and len(parts) <= 2 * a.ndim
        pairs = [(int(parts[i]), int(parts[i + 1])) for i in range(0, len(parts) - 1, 2)]
        widths = [(0, 0)] * (a.ndim - len(pairs)) + pairs[::-1]
    if not good or any(n + before + after < 0 for n, (before, after) in zip(a.shape, widths, strict=True)):
        raise ValueError(
            f"pad: padding {padding} does not fit shape {a.shape}; expected up to {a.ndim} pairs of sizes, those below "
            "0 taking away no more than there is"
        )
    return widths


def _unpad(gy: Array, axis: int, n: int, before: int, after: int, mode: str) -> Array:
    """The gradient of padding one axis: the middle, plus what each added element was copied from."""
    at = [slice(None)] * gy.ndim

    def along(i: int | slice) -> tuple[int | slice, ...]:
        return (*at[:axis], i, *at[axis + 1 :])

    middle = gy[along(slice(before, before + n))]
    if mode == "constant":
        return middle
    gx = middle.copy()
    source = np.pad(np.arange(n), (before, after), mode=_NUMPY_MODE[mode])
    for j in (*range(before), *range(before + n, before + n + after)):
        gx[along(int(source[j]))] += gy[along(j)]
    return gx
