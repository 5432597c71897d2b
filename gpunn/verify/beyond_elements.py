"""Activations, maps, sums, dropout, many-tensor kernels and batches of images past 2^31 elements."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gpunn.backend import Array
from gpunn.cuda import dropout
from gpunn.cuda.gather import Making, gather
from gpunn.random import Draw
from gpunn.reference import dropout as oracle
from gpunn.verify.space import Beyond, Space, exact, numbers


def elements(space: Space) -> Iterator[Beyond]:
    """What has a thread an element or a few."""
    yield from _activations(space)
    yield from _maps(space)
    yield from _reductions(space)
    yield from _dropouts(space)
    yield from _tensors(space)
    yield from _gathers(space)


def _activations(space: Space) -> Iterator[Beyond]:
    """Past 2^32 elements, so that the number of a thread is past 2^32 too."""
    size, last, above = 2**32 + 64, numbers("x", 64), numbers("gy", 64)

    def given(values: np.ndarray) -> Array:
        made = space.zeros(size)
        made[-64:] = space.give(values)
        return made

    def forward() -> tuple:
        return (space.twins.activation.forward("leaky_relu", given(last), (0.5,), True)[0][-64:],)

    def backward() -> tuple:
        return (space.twins.activation.backward("leaky_relu", given(above), given(last), (0.5,))[-64:],)

    slope = np.where(last > 0, 1, 0.5)
    yield Beyond("activation.forward", "2^32 elements", 20, 2, forward, lambda: exact(last * slope))
    yield Beyond("activation.backward", "2^32 elements", 30, 2, backward, lambda: exact(above * slope))


def _maps(space: Space) -> Iterator[Beyond]:
    """Past 2^32 elements and, by 16 bytes, accesses; rows of a matrix beside one that all of them share."""
    last, row = numbers("x", 64), numbers("row", 24)

    def alike() -> tuple:
        x = space.zeros(2**32 + 64)
        x[-64:] = space.give(last)
        return (space.twins.elementwise.apply("multiply", x, 2.0)[-64:],)

    def rows() -> tuple:
        x = space.zeros(2**28 + 2, 24)
        x[-1] = space.give(row)
        return (space.twins.elementwise.apply("add", x, space.give(row))[-1],)

    def place() -> tuple:
        x = space.zeros(2**28 + 2, 8)
        x[-1] = space.give(row[:8])
        return (space.twins.elementwise.place(x, (2**28 + 2, 24), (0, 8), (1, 1))[-1],)

    yield Beyond("elementwise.map", "2^32 elements", 20, 2, alike, lambda: exact(last * 2))
    yield Beyond("elementwise.map", "rows", 30, 2, rows, lambda: exact(row * 2))
    want = np.concatenate([np.zeros(8), row[:8], np.zeros(8)])
    yield Beyond("elementwise.place", "rows", 20, 2, place, lambda: exact(want))


def _reductions(space: Space) -> Iterator[Beyond]:
    """Long rows and many columns: the last of each, whose blocks alone are run."""
    last = numbers("x", 64)

    def rows() -> tuple:
        x = space.zeros(2**26 + 2, 64)
        x[-1] = space.give(last)
        return (space.twins.reduce.reduced("sum", x, (1,))[-1:],)

    def columns() -> tuple:
        x = space.zeros(33, 2**26 + 64)
        x[-1, -64:] = space.give(last)
        return (space.twins.reduce.reduced("max", x, (0,))[0, -64:],)

    total = np.asarray(last, np.float64).sum()[None, None]
    yield Beyond("reduce.axes", "rows", 10, 2, rows, lambda: exact(total))
    yield Beyond("reduce.axes", "columns", 10, 2, columns, lambda: exact(np.maximum(last, 0)))

    def places() -> tuple:
        x = space.zeros(33, 2**26 + 64)
        x[-1, -64:] = space.give(np.abs(last))
        y, found = space.twins.reduce.extreme("max", x, (0,))
        return y[0, -64:], found[0, -64:]

    yield Beyond("reduce.extreme", "columns", 10, 2, places, lambda: exact(np.abs(last), np.where(last == 0, 0, 32)))


def _dropouts(space: Space) -> Iterator[Beyond]:
    draw, length = (5, 1, 3), 2**30 + 4

    def row_major() -> tuple:
        x = space.zeros(2**31 + 64)
        x[-64:] = space.give(numbers("x", 64))
        return (dropout.drop(x, x.shape, 0.5, Draw(*draw))[0][-64:],)

    def channels_last() -> tuple:
        x = space.zeros(1, length, 3).transpose(0, 2, 1)
        x[0, :, -8:] = space.give(numbers("x", 3, 8))
        return (dropout.drop(x, x.shape, 0.5, Draw(*draw))[0][0, :, -8:],)

    def kept(index: np.ndarray) -> np.ndarray:
        return np.array([2.0 * (oracle.word(draw, int(i)) >= 2**31) for i in index.flat]).reshape(index.shape)

    def want_channels() -> tuple:
        return exact(numbers("x", 3, 8) * kept(np.arange(3)[:, None] * length + np.arange(length - 8, length)))

    end = np.arange(2**31, 2**31 + 64)
    yield Beyond("dropout.drop", "one axis", 9, 2, row_major, lambda: exact(numbers("x", 64) * kept(end)))
    yield Beyond("dropout.drop", "channels-last", 13, 2, channels_last, want_channels)


def _tensors(space: Space) -> Iterator[Beyond]:
    """One tensor, of which blocks take 4,096 elements each; every kernel over a table finds its part in one way."""
    size, last = 2**31 + 4099, numbers("x", 64)

    def x() -> Array:
        made = space.zeros(size)
        made[-64:] = space.give(last)
        return made

    def clamp() -> tuple:
        given = x()
        space.twins.optim.clamp([given], 0.5)
        return (given[-64:],)

    def norm() -> tuple:
        return (space.twins.optim.norm([x()], 1.0),)

    yield Beyond("optim.clamp", "one tensor", 5, 2, clamp, lambda: exact(np.clip(last, -0.5, 0.5)))
    yield Beyond("optim.norm", "one tensor", 5, 2, norm, lambda: exact(np.asarray(np.abs(last.astype(float)).sum())))


def _gathers(space: Space) -> Iterator[Beyond]:
    """The last images of a set past 2^31 elements, and the last samples of such a batch."""
    sides, rows, samples = (3, 32, 32), 2**31 // 3072 + 2, 2**31 // 1024 + 2
    last, small = numbers("images", 2, *sides), numbers("images", 2, 4, 16, 16)
    labels = np.arange(2)

    def run(images: Array, index: np.ndarray, shape: tuple[int, int, int]) -> tuple:
        known = space.zeros(len(images), dtype=np.dtype(np.int64))
        known[-2:] = space.give(labels)
        words, none = space.give(index.astype(np.int32)), space.give(np.zeros(1, np.float32))
        x, y = gather(images, known, words, none, len(index), Making(shape, "float16", 1, 0, ()))
        return x[-2:], y[-2:]

    def of_many() -> tuple:
        images = space.zeros(rows, *sides)
        images[-2:] = space.give(last)
        return run(images, np.array([rows - 1, rows - 2]), sides)

    def to_many() -> tuple:
        index = np.zeros(samples)
        index[-1] = 1
        return run(space.give(small), index, (4, 16, 16))

    yield Beyond("data.gather", "a set", 5, 8, of_many, lambda: (*exact(last[::-1]), *exact(labels[::-1])))
    yield Beyond("data.gather", "a batch", 6, 2, to_many, lambda: (*exact(small), *exact(labels)))
