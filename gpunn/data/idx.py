"""The IDX file format of MNIST: two zero bytes, type, rank, the lengths (big-endian int32), then the values."""

from __future__ import annotations

import io
import math
import zlib
from pathlib import Path

import numpy as np

from gpunn import files, limits
from gpunn.data.archive import unpacked
from gpunn.errors import DataError
from gpunn.text import brief

DTYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
RANK = 8  # the most dimensions that are read
AGAIN = "fetch the file again"


def read_idx(path: str | Path, rank: int | None = None) -> np.ndarray:
    """The array in an IDX file, gzip'ed or plain (told by its first bytes, not by its name); native byte order.

    `rank` is the number of dimensions that the caller expects. Raises DataError naming the file and what is wrong.
    """
    return parse_idx(read_plain(path), path, rank)


def read_plain(path: str | Path) -> bytes | bytearray:
    """The file's bytes, unpacked if they are gzip'ed."""
    try:
        with files.reading(path) as file:
            data = file.read()
    except OSError as error:
        raise DataError(f"read_idx: cannot read {path}: {error.strerror or error}; check the path") from error
    if data[:2] != b"\x1f\x8b":
        return data
    try:
        return unpacked(io.BytesIO(data))
    except EOFError as error:
        raise DataError(f"read_idx: {path} ends in the middle of its gzip data ({len(data)} bytes); {AGAIN}") from error
    except (OSError, zlib.error) as error:
        raise DataError(f"read_idx: {path} has corrupt gzip data ({error}); {AGAIN}") from error
    except ValueError as error:
        raise DataError(f"read_idx: {path} is refused: {error}; {AGAIN}, or unpack it if it is sound") from error


def parse_idx(data: bytes | bytearray, path: str | Path, rank: int | None = None) -> np.ndarray:
    """The array in `data`, an IDX file's plain bytes; `path` is for the errors."""
    if len(data) < 4 or data[:2] != b"\0\0" or data[2] not in DTYPES:
        found = f"it starts with bytes {data[:4].hex(' ')}" if data else "it is empty"
        expected = "expected 00 00, a type (08, 09, 0b to 0e) and a rank"
        raise DataError(f"read_idx: {path} is not an IDX file: {found}, {expected}; give an IDX file, plain or gzip'ed")
    if rank is not None and data[3] != rank:
        raise DataError(
            f"read_idx: {path} has {data[3]} dimensions but {rank} were expected"
            " (images have 3, labels have 1); check that images and labels are not swapped"
        )
    start = 4 + 4 * data[3]
    if len(data) < start:
        raise DataError(f"read_idx: {path} ends inside its header ({len(data)} of {start} bytes); {AGAIN}")
    shape = tuple(int(n) for n in np.frombuffer(data, ">u4", data[3], 4))
    dtype = np.dtype(DTYPES[data[2]])
    expected = math.prod(shape) * dtype.itemsize  # Python's ints: a damaged header may say 2**96
    if len(shape) > RANK or (not expected and max(shape) > limits.IMAGE_SIDE):
        raise DataError(f"read_idx: {path} announces the shape {brief(shape)}, which is none of images; {AGAIN}")
    if len(data) - start != expected:
        raise DataError(
            f"read_idx: {path} announces shape {shape}, that is {expected} bytes of values,"
            f" but holds {len(data) - start}; {AGAIN}"
        )
    return np.frombuffer(data, dtype, offset=start).reshape(shape).astype(dtype.newbyteorder("="))
