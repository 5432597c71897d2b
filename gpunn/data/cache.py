"""Files of the cache folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from gpunn import files


def write_atomically(path: Path, write: Callable[[BinaryIO], None]) -> None:
    """`gpunn.files.write_atomically` into a folder that need not exist yet. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    files.write_atomically(path, write)
