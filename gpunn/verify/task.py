"""A task of `gpunn verify`: one case of one operation, and what every family's tasks need."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias, overload

import numpy as np

from gpunn.backend import Array, array_module, asarray, device_of, to_numpy
from gpunn.layout import channels_first, channels_last

Give = Callable[[Any], Any]  # puts an array, or None, on the device and in the dtype
Part: TypeAlias = np.ndarray | None  # of a result, where the whole would take too long


@dataclass(frozen=True)
class Task:
    """One case of one operation: `run` gives the device's results, `want` the oracle's, each with its sum's length.

    `want(part)` is the oracle's answer for a part alone, planes (n, c) of a pooling or channels of a normalisation,
    where the whole would take too long; `take(result, part)` is that part of a result. `ready` makes what `run` takes
    of another operation, which is then kept: whoever counts or times `run` calls it before.
    """

    operation: str
    case: str
    run: Callable[[], tuple]
    want: Callable[..., tuple[tuple[np.ndarray, float, float | None], ...]]  # (values, terms, scale)
    take: Callable[[Any, np.ndarray | None], Any] = lambda result, part: result
    ready: Callable[[], object] = lambda: None


def planes(array: Array, part: Part) -> Array:
    """The planes (n, c) of (N, C, H, W) as (planes, 1, H, W)."""
    return array if part is None else array[_beside(array, part[:, 0]), _beside(array, part[:, 1])][:, None]


def channels(array: Array | None, part: Part) -> Array | None:
    """Those channels of (N, C, *) or (C,)."""
    if part is None or array is None:
        return array
    return array[_beside(array, part)] if array.ndim == 1 else array[:, _beside(array, part)]


def _beside(array: Array, index: np.ndarray) -> Array:
    """The index on the array's device."""
    return asarray(index, device=device_of(array))


@overload
def as_f64(array: Array) -> np.ndarray: ...
@overload
def as_f64(array: Array | None) -> np.ndarray | None: ...
def as_f64(array: Array | None) -> np.ndarray | None:
    """The values on the host in float64; None stays None."""
    return None if array is None else to_numpy(array).astype(np.float64)


CHANNELS_LAST = ", channels-last"


def orders(array: Array) -> Iterator[tuple[str, Array]]:
    """The array in both memory orders, where it has two."""
    yield "", array
    if array.ndim > 2:
        yield CHANNELS_LAST, channels_first(channels_last(array).copy(order="C"))


def placements(array: Array, wide: bool) -> Iterator[tuple[str, Array]]:
    """The same, and where its channels are `wide`, fit to be read 16 bytes at a time, channels-last off 16 bytes."""
    yield from orders(array)
    if wide and array.ndim > 2:
        yield f"{CHANNELS_LAST}, unaligned", channels_first(placed(channels_last(array), "unaligned"))


def placed(array: Array, how: str, reverse: bool = False) -> Array:
    """A copy of the array: "aligned", "unaligned" (one element off 16 bytes), or with `reverse` in reverse order."""
    xp = array_module(array)
    if how == "aligned" or array.ndim == 0:
        return array.copy()
    if how == "unaligned":
        made = xp.empty_like(array, shape=(array.size + 1,))[1:].reshape(array.shape)
    else:
        made = xp.empty_like(array, shape=array.shape[::-1]).transpose() if reverse else xp.empty_like(array)
    made[...] = array
    return made
