"""Decoded arrays kept as .npy files in the cache folder and opened memory-mapped.

So a set is decoded once, and a later start reads only the pages that it uses.
"""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

import numpy as np

from gpunn.data.cache import write_atomically
from gpunn.files import cache_folder
from gpunn.seals import say, seal

VERSION = 3  # part of every stamp: raise it when a change alters what is stored
Rows = tuple[tuple[int, ...], Iterable[np.ndarray]]  # an array's shape, and its parts along the first axis


def stored(
    name: str, stamp: str, make: Callable[[], Rows], fits: Callable[[np.ndarray], bool] = lambda array: True
) -> np.ndarray:
    """The uint8 array of which `make()` gives shape and parts, made once for a `stamp`.

    The array is mapped from `<cache>/decoded/<name>-<stamp>.npy`: writing to it changes memory alone, never the file.
    A file that is damaged, or that `fits` does not take, is made anew, and a line says so. Files of `name` with other
    stamps are removed. Where the cache cannot be written the array is made in memory. What `make` raises passes, and
    leaves no file.
    """
    path = cache_folder() / "decoded" / f"{name}-{stamp}.npy"
    if (array := _mapped(path, fits)) is not None:
        return array
    if path.exists():
        say(f"gpunn: {path} is damaged; it is decoded anew")
    try:
        write_atomically(path, lambda file: _write(file, path, make()))
    except OSError:  # full, or read-only: then each start decodes
        return _in_memory(make())
    for other in path.parent.glob(f"{name}-{'[0-9a-f]' * len(stamp)}.npy"):
        if other != path:
            with suppress(OSError):
                other.unlink()
    array = _mapped(path, fits)
    return array if array is not None else _in_memory(make())


def stamp_of(paths: Iterable[Path], *more: object) -> str:
    """16 hex digits that change with any of the files' path, size or time, and with `more`."""
    words = [VERSION, *more]
    for path in paths:
        status = path.stat()
        words += [path.resolve(), status.st_size, status.st_mtime_ns]
    # A path is bytes to Linux: those that are no letters come as lone surrogates.
    return hashlib.sha256("\0".join(map(str, words)).encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _mapped(path: Path, fits: Callable[[np.ndarray], bool]) -> np.ndarray | None:
    """The file as an array; None where it is missing or damaged (an empty array cannot be mapped either)."""
    try:
        array = np.lib.format.open_memmap(path, mode="c")
        with open(path, "rb") as file:
            header = file.read(array.offset)
            file.seek(array.nbytes, os.SEEK_CUR)
            whole = file.read() == seal(path.name, header)
        kept = array.view(np.ndarray)
        return kept if whole and array.dtype == np.uint8 and fits(kept) else None
    except Exception:  # NumPy evaluates the header as Python: a damaged one raises whatever that leads to
        return None


def _write(file: BinaryIO, path: Path, made: Rows) -> None:
    """The header and the values, sealed by name and header: to look at all values takes longer than to map them."""
    shape, rows = made
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "|u1", "fortran_order": False, "shape": shape})
    file.write(header.getvalue())
    for part in rows:  # through write, not through a map: a full disk is then an error, not a signal
        file.write(np.ascontiguousarray(part).data)
    file.write(seal(path.name, header.getvalue()))


def _in_memory(made: Rows) -> np.ndarray:
    shape, rows = made
    array, start = np.empty(shape, dtype=np.uint8), 0
    for part in rows:
        array[start : start + len(part)] = part
        start += len(part)
    return array
