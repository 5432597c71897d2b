"""Decoded arrays kept as .npy files in the cache folder and opened memory-mapped.

So a set is decoded once, and a later start reads only the pages that it uses.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

import numpy as np

from gpunn.data.cache import write_atomically
from gpunn.files import cache_folder

VERSION = 2  # part of every stamp: raise it when a change alters what is stored
Rows = tuple[tuple[int, ...], Iterable[np.ndarray]]  # an array's shape, and its parts along the first axis


def stored(name: str, stamp: str, make: Callable[[], Rows]) -> np.ndarray:
    """The uint8 array of which `make()` gives shape and parts, made once for a `stamp`.

    The array is mapped from `<cache>/decoded/<name>-<stamp>.npy`: writing to it changes memory alone, never the file.
    Files of `name` with other stamps are removed. Where the cache cannot be written the array is made in memory. What
    `make` raises passes, and leaves no file.
    """
    path = cache_folder() / "decoded" / f"{name}-{stamp}.npy"
    if (array := _mapped(path)) is not None:
        return array
    try:
        write_atomically(path, lambda file: _write(file, make()))
    except OSError:  # full, or read-only: then each start decodes
        return _in_memory(make())
    for other in path.parent.glob(f"{name}-{'[0-9a-f]' * len(stamp)}.npy"):
        if other != path:
            with suppress(OSError):
                other.unlink()
    array = _mapped(path)
    return array if array is not None else _in_memory(make())


def stamp_of(paths: Iterable[Path], *more: object) -> str:
    """16 hex digits that change with any of the files' path, size or time, and with `more`."""
    words = [VERSION, *more]
    for path in paths:
        status = path.stat()
        words += [path.resolve(), status.st_size, status.st_mtime_ns]
    return hashlib.sha256("\0".join(map(str, words)).encode()).hexdigest()[:16]


def _mapped(path: Path) -> np.ndarray | None:
    """The file as an array; None where it is missing or damaged (an empty array cannot be mapped either)."""
    try:
        array = np.lib.format.open_memmap(path, mode="c")
    except (OSError, EOFError, ValueError):
        return None
    return array.view(np.ndarray) if array.dtype == np.uint8 else None


def _write(file: BinaryIO, made: Rows) -> None:
    shape, rows = made
    np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})
    for part in rows:  # through write, not through a map: a full disk is then an error, not a signal
        file.write(np.ascontiguousarray(part).data)


def _in_memory(made: Rows) -> np.ndarray:
    shape, rows = made
    array, start = np.empty(shape, dtype=np.uint8), 0
    for part in rows:
        array[start : start + len(part)] = part
        start += len(part)
    return array
