"""Reading .npz files: zip archives of arrays, each as large as its bytes say; nothing is unpacked or unpickled.

NumPy's own reader allocates what a header announces, and unpacks 6 GB from 6 MB.
"""

from __future__ import annotations

import io
import math
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from gpunn import files

KINDS = "biufcSU"  # NumPy's letters for numbers and text
HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


@contextmanager
def opened(path: Path) -> Iterator[zipfile.ZipFile]:
    """The archive, its members not packed, as `numpy.savez` writes them. ValueError where it is otherwise.

    OSError where it cannot be opened; what reading a damaged one raises is any Exception.
    """
    with files.reading(path) as raw, zipfile.ZipFile(raw) as archive:
        members, size = archive.infolist(), path.stat().st_size
        packed = next((m.filename for m in members if m.compress_type != zipfile.ZIP_STORED), None)
        if packed is not None:
            raise ValueError(f"its member {packed[:60]!r} is packed, expected all stored as numpy.savez does")
        if sum(member.file_size for member in members) > size:
            raise ValueError(f"its members announce more than the {size:,} bytes of the file")
        yield archive


def read(archive: zipfile.ZipFile, name: str) -> np.ndarray:
    """The array in the member `name`.npy; its checksum is compared before a byte is interpreted. See `array_of`."""
    return array_of(archive.read(f"{name}.npy"))


def array_of(content: bytes) -> np.ndarray:
    """The array in a .npy file's bytes, which must hold all of it and no more. ValueError for anything else."""
    file = io.BytesIO(content)
    try:
        with warnings.catch_warnings():  # a damaged header is evaluated in several ways, with warnings
            warnings.simplefilter("ignore")
            shape, fortran, dtype = HEADERS[np.lib.format.read_magic(file)](file)
    except Exception as error:  # NumPy parses it as Python: a damaged one raises whatever that leads to
        raise ValueError(f"an array's header is damaged ({type(error).__name__})") from error
    if dtype.hasobject:
        raise ValueError("Object arrays cannot be loaded: they are pickles")
    if dtype.kind not in KINDS or not dtype.itemsize or min(shape, default=0) < 0:
        raise ValueError(f"an array is announced as {dtype} {shape}"[:100])
    start = file.tell()
    if math.prod(shape) * dtype.itemsize != len(content) - start or max(shape, default=0) > 1 << 62:
        raise ValueError(f"an array of {dtype} {shape} has {len(content) - start} bytes"[:100])
    # A copy, so that it can be written to.
    return np.frombuffer(content, dtype, offset=start).reshape(shape, order="F" if fortran else "C").copy(order="K")
