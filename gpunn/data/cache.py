"""The cache folder, and files written whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO


def cache_folder() -> Path:
    """`$XDG_CACHE_HOME/gpunn`, or `~/.cache/gpunn`; it need not exist yet."""
    base = os.environ.get("XDG_CACHE_HOME")
    if base:
        return Path(base) / "gpunn"
    try:
        return Path.home() / ".cache" / "gpunn"
    except RuntimeError:  # a user without a home, as in some containers
        return Path(tempfile.gettempdir()) / "gpunn"


def write_atomically(path: Path, write: Callable[[BinaryIO], None]) -> None:
    """Call `write(file)` on a temporary file beside `path` and rename it there once it is safely on disk.

    Raises OSError where the folder cannot be written; `path` then keeps its old content and no temporary file stays.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        with open(temporary, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise
