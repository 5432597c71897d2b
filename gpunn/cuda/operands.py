"""How the operands of a product lie in memory, and which of them are copied first."""

from __future__ import annotations

import numpy as np

from gpunn.backend import Array, array_module
from gpunn.cuda.dtypes import pack
from gpunn.cuda.products import Side
from gpunn.cuda.signature import Layout
from gpunn.layout import contiguous


def side(x: Layout, lines: int, depth: int, batch: tuple[int, ...] = (0, 0)) -> Side | None:
    """How kernels read the axes ``lines`` and ``depth`` of x; None where neither has stride 1."""
    size = x.dtype.itemsize
    if any([stride % size or stride < 0 for stride in x.strides]):
        return None
    line, deep = (0 if x.shape[axis] < 2 else x.strides[axis] // size for axis in (lines, depth))
    outer, inner = batch
    if deep == 1 or (line != 1 and x.shape[depth] < 2):
        return Side(line, 1, outer, inner, True)
    return Side(1, deep, outer, inner, False) if line == 1 or x.shape[lines] < 2 else None


def readable(x: Layout, lines: int, depth: int) -> Layout:
    """x, copied at the call where neither axis has stride 1."""
    return x if side(x, lines, depth) is not None else row_major(x)


def row_major(x: Layout, shape: tuple[int, ...] | None = None) -> Layout:
    """A row-major copy of x, repeated to this shape."""
    before, shape, strides = x.shape, x.shape if shape is None else shape, [x.dtype.itemsize]
    for n in reversed(shape[1:]):
        strides.insert(0, strides[0] * n)

    def move(a: Array) -> Array:
        return contiguous(array_module(a).broadcast_to(a.reshape(before), shape, **_as_it_is(a)))

    return x._replace(shape=shape, strides=tuple(strides), offset=0, move=move)


def _as_it_is(a: Array) -> dict[str, bool]:
    """What keeps NumPy from making an emulated array a plain one."""
    return {"subok": True} if isinstance(a, np.ndarray) else {}


def is_wide(x: Layout, found: Side, lines: int, depth: int) -> bool:
    """Whether 16-byte accesses read x: every row of memory starts on a multiple of them and is one."""
    width = pack(x.dtype.name)
    apart = found.line if found.deep else found.depth
    along = x.shape[depth if found.deep else lines]
    return x.aligned and not any([n % width for n in (along, apart, found.outer, found.inner)])


def _apart(x: Layout, axis: int) -> int:
    """Elements from one batch to the next along an axis, on which x may be repeated."""
    is_repeated = -axis > len(x.shape) or x.shape[axis] == 1
    return 0 if is_repeated else x.strides[axis] // x.dtype.itemsize


def batches(shape: tuple[int, ...], a: Layout, b: Layout) -> list[tuple[int, int, int]] | None:
    """(size, a's stride, b's stride) of the batch's axes, those joined that are one in memory; None: more than two."""
    found: list[tuple[int, int, int]] = []
    for axis, size in enumerate(shape, start=-2 - len(shape)):
        if size == 1:
            continue
        here = [_apart(x, axis) for x in (a, b)]
        if found and all(above == stride * size for above, stride in zip(found[-1][1:], here, strict=True)):
            found[-1] = (found[-1][0] * size, here[0], here[1])
        else:
            found.append((size, here[0], here[1]))
    return found if len(found) <= 2 else None
