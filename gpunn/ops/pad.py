"""pad: elements added around an array, or taken away from its edges."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from gpunn.backend import Array, array_module, twins
from gpunn.backend.contract import Shape
from gpunn.checks import arrays, as_shape, check_shape
from gpunn.engine.operators import A
from gpunn.engine.record import record
from gpunn.engine.tensor import data_of
from gpunn.errors import suggestion
from gpunn.ops.indexing import getitem
from gpunn.ops.out import with_out
from gpunn.ops.reduce import wide
from gpunn.scalars import as_int

PADDING_MODES = ("zeros", "reflect", "replicate", "circular")  # of convolutions
BORDERS = ("zeros", "reflect", "symmetric", "replicate", "circular")
_ALSO = {"zero": "zeros", "mirror": "reflect", "modulo": "circular"}
# NumPy's and ndimage's words, which are named to who gives them, and not taken: their reflects differ.
_ELSEWHERE = {"constant": "zeros", "nearest": "replicate", "edge": "replicate", "wrap": "circular"}
_ELSEWHERE |= {"grid-wrap": "circular", "grid-constant": "zeros", "grid-mirror": "symmetric"}
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
    return _padded("pad", x, padding, mode, value)


def _padded(op: str, x: A, padding: Any, mode: str, value: float = 0) -> A:
    a = data_of(x)
    widths = _checked(op, a.shape, padding, mode)
    if any([n < 0 for pair in widths for n in pair]):
        grown, rest = _parted(widths)
        # As PyTorch has it: circles close over what is left, mirrors and edges are those of the whole.
        if mode == "circular":
            return _padded(op, getitem(x, rest), grown, mode)
        return getitem(_padded(op, x, grown, mode, value), rest)
    other = _NUMPY_MODE[mode]
    y = _framed(a, widths, value) if mode == "constant" else array_module(a).pad(a, widths, mode=other)
    return record(op, y, (x,), lambda gy, needs: (_unpadded(gy, widths, mode),))


@with_out
def pad_backward(
    gy: Array,
    x_shape: Sequence[int],
    padding: Sequence[int] | Sequence[Sequence[int]],
    mode: str = "constant",
    *,
    out: Array | None = None,
) -> Array:
    """gx of `pad` on plain arrays, of the shape x had: the middle of gy, plus what each copy in the border gave.

    ValueError: gy of another shape than the forward call gives, an unknown mode; TypeError: dtype, an x_shape that
    is no tuple.

    >>> ops.pad_backward(np.array([[1.0, 2.0, 3.0, 4.0, 5.0]]), (1, 3), (1, 1), "reflect")
    array([[2., 9., 4.]])
    """
    op = "pad_backward"
    (a,), shape = arrays(op, gy=gy), as_shape(op, "x_shape", x_shape)
    widths = _checked(op, shape, padding, mode)
    check_shape(op, "gy", a, tuple([before + n + after for n, (before, after) in zip(shape, widths, strict=True)]))
    grown, rest = _parted(widths)
    if grown == widths:
        return _unpadded(a, widths, mode).copy() if mode == "constant" else _unpadded(a, widths, mode)
    place, first, step = twins(a).elementwise.place, tuple([one.start for one in rest]), (1,) * a.ndim
    if mode == "circular":
        return place(_unpadded(a, grown, mode), shape, first, step)
    whole = tuple([before + n + after for n, (before, after) in zip(shape, grown, strict=True)])
    return _unpadded(place(a, whole, first, step), grown, mode)


def _checked(op: str, shape: Shape, padding: Any, mode: str) -> list[tuple[int, int]]:
    """(before, after) of each axis. Raises what `pad` says."""
    widths = _pad_widths(op, shape, padding)
    if mode not in _NUMPY_MODE:
        words = ", ".join(_NUMPY_MODE)
        raise ValueError(f"{op}: unknown mode {mode!r}; expected one of {words}{_meant(mode, _NUMPY_MODE)}")
    for axis, (n, both) in enumerate(zip(shape, widths, strict=True)):
        if mode == "circular":
            n += sum(min(one, 0) for one in both)
        longest = {"reflect": max(n - 1, 0), "circular": n, "replicate": max(both) if n else 0}.get(mode)
        if longest is not None and max(both) > longest:
            raise ValueError(
                f"{op}: mode {mode!r} cannot pad axis {axis} of size {n} by {both}; expected at most {longest}: "
                "pad less or use mode 'constant'"
            )
    return widths


def _parted(widths: list[tuple[int, int]]) -> tuple[list[tuple[int, int]], tuple[slice, ...]]:
    """What is added to each axis, and what is left of it."""
    grown = [(max(before, 0), max(after, 0)) for before, after in widths]
    return grown, tuple([slice(max(-before, 0), after if after < 0 else None) for before, after in widths])


def as_border(op: str, name: str, value: str, borders: tuple[str, ...] = BORDERS) -> str:
    """PyTorch's word for what lies outside an array. Raises ValueError with the nearest word for an unknown one."""
    found = _ALSO.get(value, value) if isinstance(value, str) else None
    if found in borders:
        return found
    words = ", ".join(map(repr, borders))
    raise ValueError(f"{op}: {name} is {value!r}, expected one of {words}{_meant(value, [*borders, *_ALSO])}")


def _meant(word: object, known: Collection[str]) -> str:
    """The end of an error's sentence: what another library's word, or a misspelt one, is here."""
    ours = _ELSEWHERE.get(word) if isinstance(word, str) else None
    return f"; {word!r} is {ours!r} here" if ours in known else suggestion(word, known)


def bordered(op: str, x: A, rank: int, padding: Shape, extra: Shape | None, mode: str) -> A:
    """x with the border of a convolution, which is not of zeros, along its last axes; ``extra``: more at their ends."""
    ends = zip(padding[-rank:], (0,) * rank if extra is None else extra[-rank:], strict=True)
    around = [(0, 0)] * (x.ndim - rank) + [(n, n + more) for n, more in ends]
    return _padded(op, x, around, as_border(op, "padding_mode", mode))


def pad_end(a: Array, extra: Shape) -> Array:
    """`a` (N, C, *) with `extra` zeros at the end of each spatial axis, in a's memory order."""
    shape = (*a.shape[:2], *[n + e for n, e in zip(a.shape[2:], extra, strict=True)])
    y = array_module(a).zeros_like(a, shape=shape)
    y[tuple([slice(n) for n in a.shape])] = a
    return y


def crop_end(a: Array, shape: Shape) -> Array:
    """The inverse of pad_end: a view."""
    return a[tuple([slice(n) for n in shape])]


def _framed(a: Array, widths: list[tuple[int, int]], value: float) -> Array:
    """`a` in a frame of `value`, in a's memory order, which NumPy's and CuPy's pad would not keep."""
    shape = tuple([before + n + after for n, (before, after) in zip(a.shape, widths, strict=True)])
    if shape == a.shape:
        return a.copy(order="K")
    return twins(a).elementwise.place(a, shape, tuple([before for before, _ in widths]), (1,) * a.ndim, value)


def _pad_widths(op: str, shape: Shape, padding: Any) -> list[tuple[int, int]]:
    if not hasattr(padding, "__len__"):
        raise TypeError(
            f"{op}: padding is {padding!r}, expected (left, right, top, bottom, ...), or (before, after) for each "
            f"of the {len(shape)} dimensions"
        )
    parts = tuple(padding)
    if parts and hasattr(parts[0], "__len__"):
        good = len(parts) == len(shape) and all(len(pair) == 2 for pair in parts)
        widths = [(as_int(op, "padding", pair[0]), as_int(op, "padding", pair[-1])) for pair in parts]
    else:
        good = len(parts) % 2 == 0 and len(parts) <= 2 * len(shape)
        sizes = [as_int(op, "padding", n) for n in parts]
        pairs = list(zip(sizes[::2], sizes[1::2], strict=False))
        widths = [(0, 0)] * (len(shape) - len(pairs)) + pairs[::-1]
    if not good or any(n + before + after < 0 for n, (before, after) in zip(shape, widths, strict=True)):
        raise ValueError(
            f"{op}: padding {padding} does not fit shape {shape}; expected up to {len(shape)} pairs of sizes, those "
            "below 0 taking away no more than there is"
        )
    return widths


def _unpadded(gy: Array, widths: list[tuple[int, int]], mode: str) -> Array:
    """The gradient of padding: the middle, plus what each added element was copied from, two sums an axis."""
    gx = gy if mode == "constant" else wide(gy)
    for axis, (before, after) in enumerate(widths):
        if before or after:
            gx = _unpad(gx, axis, before, after, mode)
    return gx.astype(gy.dtype, copy=False)


def _unpad(gy: Array, axis: int, before: int, after: int, mode: str) -> Array:
    lead, end = (slice(None),) * axis, gy.shape[axis] - after
    head, middle, tail = (gy[(*lead, slice(*ends))] for ends in ((0, before), (before, end), (end, end + after)))
    if mode == "constant":
        return middle
    n, back = end - before, (*lead, slice(None, None, -1))
    added = {  # what each part of the border was copied from
        "reflect": ((head[back], 1, before + 1), (tail[back], n - 1 - after, n - 1)),
        "replicate": ((head.sum(axis, keepdims=True), 0, 1), (tail.sum(axis, keepdims=True), n - 1, n)),
        "circular": ((head, n - before, n), (tail, 0, after)),
    }[mode]
    gx = middle.copy()
    for part, first, stop in added:
        if part.size:
            gx[(*lead, slice(first, stop))] += part
    return gx
