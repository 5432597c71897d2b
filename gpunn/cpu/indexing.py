"""Rows of a table by number, and the gradient of an index."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from gpunn.errors import RowError

_ROUNDS = 8  # rows of one place up to which all places take their next one at once
_ROW = 8  # elements a row from which on np.add.at, an element at a time, is slower


def rows(table: np.ndarray, index: np.ndarray, op: str) -> np.ndarray:
    """y (*, ...) of table (V, ...) and index (*). Raises RowError for a number that is no row."""
    check(index, len(table), RowError.of, op, len(table))
    return table.take(index, axis=0)


def check(index: np.ndarray, count: int, erring: Callable[..., IndexError], *known: Any) -> None:
    """Raise erring(number, at, *known) for the first number outside of 0 .. count-1."""
    if index.size and (index.min() < 0 or index.max() >= count):
        at = int(np.flatnonzero((index < 0) | (index >= count))[0])
        raise erring(int(index.reshape(-1)[at]), at, *known)


def add(gy: np.ndarray, index: Any, shape: tuple[int, ...]) -> np.ndarray:
    """gx of this shape: each element of gy added at the place from which x[index] read it, in gy's order."""
    gx = np.zeros(shape, np.float32 if gy.dtype.itemsize == 2 else gy.dtype)
    size = math.prod(shape[1:])
    if isinstance(index, np.ndarray) and index.dtype.kind in "iu" and size >= _ROW and index.size:
        places = index.reshape(-1).astype(np.int64, copy=False) % shape[0]  # a byte cannot be compared with 300
        _add_rows(gx.reshape(-1, size), places, gy.reshape(index.size, size))
    else:
        np.add.at(gx, index, gy)
    return gx.astype(gy.dtype, copy=False)


def _add_rows(to: np.ndarray, places: np.ndarray, rows: np.ndarray) -> None:
    """Add rows (M, L) to those of `to` at places (M,), in order: np.add.at's sums in a quarter of its time."""
    order = np.argsort(places, kind="stable")
    sorted_places = places[order]
    first = np.flatnonzero(np.concatenate([[True], sorted_places[1:] != sorted_places[:-1]]))
    count, place = np.diff(first, append=len(order)), sorted_places[first]
    for at, n, p in zip(*[each[count > _ROUNDS].tolist() for each in (first, count, place)], strict=True):
        to[p] = np.add.reduce(rows[order[at : at + n]], axis=0, dtype=to.dtype)
    few = count <= _ROUNDS
    first, count, place = first[few], count[few], place[few]
    to[place] = rows[order[first]]
    for turn in range(1, int(count.max(initial=0))):
        left = count > turn
        first, count, place = first[left], count[left], place[left]
        to[place] += rows[order[first + turn]]
