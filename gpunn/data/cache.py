"""The cache folder, and files written there."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from gpunn import files


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
    """`gpunn.files.write_atomically` into a folder that need not exist yet. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    files.write_atomically(path, write)
