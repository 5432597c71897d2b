"""One array as several parts of its memory, whose gradients come together in one array."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, pairwise

import numpy as np

from gpunn.backend import Array, array_module
from gpunn.engine.autograd import Gradients, Needs
from gpunn.engine.operators import A
from gpunn.engine.record import record_all
from gpunn.engine.tensor import data_of
from gpunn.ops.shape import axis_of
from gpunn.scalars import as_int


def split(x: A, split_size_or_sections: int | Sequence[int], dim: int = 0) -> tuple[A, ...]:
    """Parts of one size along a dimension, the last perhaps smaller; or of the sizes given, which make it up.

    >>> ops.split([1.0, 2.0, 3.0], 2)
    (array([1., 2.], dtype=float32), array([3.], dtype=float32))
    """
    a = data_of(x)
    at, n = axis_of("split", a, dim)
    if isinstance(split_size_or_sections, list | tuple):
        sizes = [as_int("split", "a size", size) for size in split_size_or_sections]
        if sum(sizes) != n or min(sizes, default=0) < 0:
            raise ValueError(
                f"split: sizes {tuple(sizes)} do not make up dimension {dim} of shape {a.shape}; expected a sum of {n}"
            )
        return _parts("split", x, a, at, _behind(sizes))
    size = as_int("split", "split_size_or_sections", split_size_or_sections, "an int or a list of them")
    if size < 0 or (size == 0 and n):
        raise ValueError(f"split: the size of a part is {size}, expected at least 1")
    return _parts("split", x, a, at, _behind(_of_one_size(n, size)))


def chunk(x: A, chunks: int, dim: int = 0) -> tuple[A, ...]:
    """At most ``chunks`` parts of one size along a dimension, the last perhaps smaller.

    >>> [y.shape for y in ops.chunk(np.ones((5, 2)), 3)]
    [(2, 2), (2, 2), (1, 2)]
    """
    a = data_of(x)
    at, n = axis_of("chunk", a, dim)
    chunks = as_int("chunk", "chunks", chunks)
    if chunks < 1:
        raise ValueError(f"chunk: chunks is {chunks}, expected at least 1")
    return _parts("chunk", x, a, at, _behind(_of_one_size(n, -(-n // chunks)) if n else [0] * chunks))


def tensor_split(x: A, indices_or_sections: int | Sequence[int], dim: int = 0) -> tuple[A, ...]:
    """So many parts along a dimension, whose sizes differ by 1 at most; or the parts between the places given.

    >>> [y.size for y in ops.tensor_split(np.ones(7), 3)], [y.size for y in ops.tensor_split(np.ones(7), (1, 5))]
    ([3, 2, 2], [1, 4, 2])
    """
    a = data_of(x)
    at, n = axis_of("tensor_split", a, dim)
    given = indices_or_sections
    if np.ndim(data_of(given)) == 0 and not isinstance(given, list | tuple):
        sections = as_int("tensor_split", "indices_or_sections", given, "an int or a list of them")
        if sections < 1:
            raise ValueError(f"tensor_split: got {sections} sections, expected at least 1")
        sizes = [n // sections + (i < n % sections) for i in range(sections)]
        return _parts("tensor_split", x, a, at, _behind(sizes))
    places = [as_int("tensor_split", "an index", i) for i in given]  # type: ignore[union-attr]
    inner = [slice(i, None).indices(n)[0] for i in places]
    return _parts("tensor_split", x, a, at, list(pairwise([0, *inner, n])))


def unbind(x: A, dim: int = 0) -> tuple[A, ...]:
    """The places of a dimension, one array each, without it.

    >>> ops.unbind([[1.0, 2.0], [3.0, 4.0]], 1)
    (array([1., 3.], dtype=float32), array([2., 4.], dtype=float32))
    """
    a = data_of(x)
    at, n = axis_of("unbind", a, dim)
    lead, xp, like = (slice(None),) * at, array_module(a), (*a.shape[:at], *a.shape[at + 1 :])

    def backward(gys: tuple[Array | None, ...], needs: Needs) -> Gradients:
        given = next(g for g in gys if g is not None)
        gx = xp.zeros_like(given, shape=(*like[:at], n, *like[at:]))
        for i, gy in enumerate(gys):
            if gy is not None:
                gx[(*lead, i)] = gy
        return (gx,)

    # An Ellipsis, since NumPy makes numbers of a vector's elements.
    ys = [a[(*lead, i, ...)] for i in range(n)]
    return record_all("unbind", ys, (x,), backward) if n else ()


def _of_one_size(n: int, size: int) -> list[int]:
    """The sizes of parts: one at least."""
    return [min(size, n - start) for start in range(0, n, size)] if n else [0]


def _behind(sizes: list[int]) -> list[tuple[int, int]]:
    """Where parts of these sizes begin and end, one behind the other."""
    ends = list(accumulate(sizes))
    return list(zip([0, *ends[:-1]], ends, strict=False))


def _parts(name: str, x: A, a: Array, at: int, bounds: list[tuple[int, int]]) -> tuple[A, ...]:
    """The parts between these bounds."""
    places = [(slice(None),) * at + (slice(first, last),) for first, last in bounds]
    shape, xp = a.shape, array_module(a)

    def backward(gys: tuple[Array | None, ...], needs: Needs) -> Gradients:
        gx = xp.zeros_like(next(g for g in gys if g is not None), shape=shape)
        for place, gy in zip(places, gys, strict=True):
            if gy is not None:
                gx[place] += gy  # places may overlap
        return (gx,)

    return record_all(name, [a[place] for place in places], (x,), backward) if places else ()
