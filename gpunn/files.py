"""The cache folder, and files written whole or not at all."""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO


def cache_folder() -> Path:
    """`$XDG_CACHE_HOME/gpunn`, or `~/.cache/gpunn`; it need not exist yet."""
    base = os.environ.get("XDG_CACHE_HOME")
    if base:
        return Path(base) / "gpunn"
    try:
        return Path.home() / ".cache" / "gpunn"
    except RuntimeError:  # a user without a home, as in some containers
        return Path(tempfile.gettempdir()) / "gpunn"


def write_atomically(path: Path, write: Callable[[BinaryIO], Any]) -> None:
    """Let `write(file)` fill a temporary file beside `path`, bring it to the disk, and only then put it in place.

    Whatever happens on the way, `path` holds either the old contents or the new, and no temporary file stays. Raises
    OSError where the folder is not there or the disk is full.
    """
    temporary = _beside(path)
    try:
        with open(temporary, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        _sync_folder(path.parent)
    finally:
        with suppress(OSError):  # gone into its place, or never made
            temporary.unlink()


def link_atomically(existing: Path, path: Path) -> None:
    """Make `path` a second name of the file `existing`, all or nothing; when one is replaced, the other stays.

    Raises OSError where the file system has no such links.
    """
    temporary = _beside(path)
    try:
        os.link(existing, temporary)
        os.replace(temporary, path)
        _sync_folder(path.parent)
    finally:
        with suppress(OSError):  # it stays where `path` had been that very file already
            temporary.unlink()


def _beside(path: Path) -> Path:
    """The temporary file of this thread that is to become `path`."""
    return path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}.tmp")


def _sync_folder(folder: Path) -> None:
    """Make the rename itself survive a power cut; Windows cannot open a folder and needs no such call."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
