"""Which bytes of an array from `emulator.empty` nobody has written yet: strict launches refuse to read them."""

from __future__ import annotations

import numpy as np


class Fresh(np.ndarray):
    """The bytes behind an array of `emulator.empty`, which its views are based on.

    is_known: whether all who wrote are known; a launch that is not strict keeps no account. unwritten: 1 for each byte
    that nobody wrote, made once it is asked for.
    """

    is_known: bool
    unwritten: np.ndarray | None


def fresh(count: int) -> Fresh:
    """So many bytes that nobody wrote: 0xFF each."""
    memory = np.full(count, 0xFF, np.uint8).view(Fresh)
    memory.is_known, memory.unwritten = True, None
    return memory


def _behind(array: np.ndarray) -> Fresh | None:
    """The fresh memory that an array lies in, if what has become of its bytes is known."""
    base: object = array
    while isinstance(base, np.ndarray):
        if isinstance(base, Fresh):
            return base if base.is_known else None
        base = base.base
    return None


def forget(array: np.ndarray) -> None:
    """Take all of the array's memory for written."""
    memory = _behind(array)
    if memory is not None:
        memory.is_known, memory.unwritten = False, None


def unwritten(array: np.ndarray, low: int, high: int) -> np.ndarray | None:
    """1 for each byte of the array, from address low to high, that nobody wrote, else 0; None where all are written.

    NumPy writes without a word, but what it writes is hardly ever 0xFF.
    """
    memory = _behind(array)
    if memory is None:
        return None
    if memory.unwritten is None:
        memory.unwritten = np.ones(memory.size, np.uint8)
    start = low - memory.__array_interface__["data"][0]
    part = slice(start, start + high - low)
    found = memory.unwritten[part] & (np.asarray(memory)[part] == 0xFF)
    memory.unwritten[part] = found  # what a kernel computes from now on may well be 0xFF
    return found if found.any() else None


def keep(array: np.ndarray, low: int, left: np.ndarray) -> None:
    """Note what a launch has left unwritten of the array's bytes, which begin at this address."""
    memory = _behind(array)
    if memory is not None and memory.unwritten is not None:
        start = low - memory.__array_interface__["data"][0]
        memory.unwritten[start : start + left.size] = left
