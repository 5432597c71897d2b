"""Elements moved between channels and space: pixel_shuffle (Shi et al., 2016) and back, channel_shuffle."""

from __future__ import annotations

import math
from itertools import product

import numpy as np

from gpunn.backend import Array, array_module
from gpunn.backend.contract import Shape
from gpunn.checks import as_count
from gpunn.engine.operators import A
from gpunn.engine.record import record
from gpunn.engine.tensor import data_of
from gpunn.ops.out import with_out


@with_out
def pixel_shuffle(x: A, upscale_factor: int, *, out: Array | None = None) -> A:
    """x (*, C*r*r, H, W) as (*, C, H*r, W*r), r the upscale_factor: each r*r channels become a square of pixels.

    Raises:
        ValueError: fewer than 3 dimensions, a factor below 1, channels that are no multiple of r*r.

    >>> ops.pixel_shuffle(np.arange(4.0).reshape(4, 1, 1), 2)
    array([[[0., 1.],
            [2., 3.]]])
    """
    a, r = _image("pixel_shuffle", x), as_count("pixel_shuffle", "upscale_factor", upscale_factor)
    if a.shape[-3] % (r * r):
        raise ValueError(
            f"pixel_shuffle: x {a.shape} has {a.shape[-3]} channels, expected a multiple of upscale_factor**2, {r * r}"
        )
    return record("pixel_shuffle", _shuffled(a, r), (x,), lambda gy, needs: (_unshuffled(gy, r),))


@with_out
def pixel_unshuffle(x: A, downscale_factor: int, *, out: Array | None = None) -> A:
    """x (*, C, H*r, W*r) as (*, C*r*r, H, W), r the downscale_factor: pixel_shuffle's way back.

    Raises:
        ValueError: fewer than 3 dimensions, a factor below 1, sizes that are no multiples of it.

    >>> ops.pixel_unshuffle(np.arange(4.0).reshape(1, 2, 2), 2).reshape(4)
    array([0., 1., 2., 3.])
    """
    a, r = _image("pixel_unshuffle", x), as_count("pixel_unshuffle", "downscale_factor", downscale_factor)
    if a.shape[-2] % r or a.shape[-1] % r:
        raise ValueError(
            f"pixel_unshuffle: x is {a.shape}, expected last sizes that are multiples of downscale_factor={r}; pad x"
        )
    return record("pixel_unshuffle", _unshuffled(a, r), (x,), lambda gy, needs: (_shuffled(gy, r),))


@with_out
def channel_shuffle(x: A, groups: int, *, out: Array | None = None) -> A:
    """x (N, C, *) with its channels dealt out: the first of each of the groups, then the second of each, and so on.

    Raises:
        ValueError: fewer than 3 dimensions, channels that are no multiple of groups.

    Source: Zhang et al., "ShuffleNet", 2018.

    >>> ops.channel_shuffle(np.arange(4.0).reshape(1, 4, 1), 2).reshape(4)
    array([0., 2., 1., 3.])
    """
    a, groups = data_of(x), as_count("channel_shuffle", "groups", groups)
    if a.ndim < 3:
        raise ValueError(f"channel_shuffle: x is {a.shape}, expected (N, C, *) with at least 3 dimensions; reshape it")
    if a.shape[1] % groups:
        raise ValueError(f"channel_shuffle: x {a.shape} has {a.shape[1]} channels, expected a multiple of {groups=}")
    other = a.shape[1] // groups
    return record("channel_shuffle", _dealt(a, groups), (x,), lambda gy, needs: (_dealt(gy, other),))


def _image(op: str, x: object) -> Array:
    a = data_of(x)
    if a.ndim < 3:
        raise ValueError(f"{op}: x is {a.shape}, expected (*, C, H, W) with at least 3 dimensions; reshape it")
    return a


def _shuffled(a: Array, r: int) -> Array:
    *lead, c, h, w = a.shape
    n, c = math.prod(lead), c // (r * r)
    split, order, joined = (n, c, r, r, h, w), (0, 1, 4, 2, 5, 3), (n, c, h * r, w * r)
    return _moved(a.reshape(n, c * r * r, h, w), split, order, joined, (2, 3)).reshape(*lead, c, h * r, w * r)


def _unshuffled(a: Array, r: int) -> Array:
    *lead, c, h, w = a.shape
    n, h, w = math.prod(lead), h // r, w // r
    split, order, joined = (n, c, h, r, w, r), (0, 1, 3, 5, 2, 4), (n, c * r * r, h, w)
    return _moved(a.reshape(n, c, h * r, w * r), split, order, joined, (3, 5)).reshape(*lead, c * r * r, h, w)


def _dealt(a: Array, groups: int) -> Array:
    n, c, *space = a.shape
    split, order = (n, groups, c // groups, *space), (0, 2, 1, *range(3, len(space) + 3))
    return _moved(a, split, order, a.shape, (1,))


def _moved(a: Array, split: Shape, order: tuple[int, ...], joined: Shape, few: tuple[int, ...]) -> Array:
    """`a` seen as `split`, its axes in this order, copied to an array of the shape `joined` that lies as `a` does.

    NumPy's copy goes along one axis, perhaps of two elements; on the host the axes `few` are walked here instead, which
    takes a fifth of the time.
    """
    y = array_module(a).empty_like(a, shape=joined)
    if not y.size:
        return y
    source, to = a.reshape(split).transpose(order), y.reshape(tuple([split[axis] for axis in order]))
    if type(a) is not np.ndarray:
        to[...] = source
        return y
    for place in product(*[range(split[axis]) for axis in few]):
        at = tuple([place[few.index(axis)] if axis in few else slice(None) for axis in order])
        to[at] = source[at]
    return y
