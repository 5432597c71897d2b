"""One training at a time in a run folder."""

from __future__ import annotations

import os
import platform
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from gpunn import files
from gpunn.errors import CheckpointError, UsageError
from gpunn.stopping import held
from gpunn.terminal import say
from gpunn.text import plain

LOCK = ".gpunn-lock"  # in the run folder while something trains into it
_holders: dict[Path, tuple[int, int]] = {}  # folders that are held, by what process (a fork has this too) and thread


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Hold a run folder, made if missing: UsageError naming who trains into it already, in any process or thread.

    The thread that holds it may enter again. The kernel releases it when the process ends, however that ends; a file
    system without locks is said on stderr, and the run goes on.
    """
    what = "make the folder"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        key, what, me = folder.resolve(), "write into the folder", (os.getpid(), threading.get_ident())
        handle = None if _holders.get(key) == me else _taken(key / LOCK, folder)
    except OSError as error:
        why = f"{error.strerror or error}; {files.remedy(error)}"
        raise CheckpointError(f"Checkpoint: cannot {what} {folder}: {why}") from error
    if handle is None:
        yield
        return
    try:
        _holders[key] = me
        files.sweep(key)
        yield
    finally:
        with held():
            _holders.pop(key, None)
            _release(handle, key / LOCK)


def _taken(path: Path, folder: Path) -> int:
    """The open, locked file at `path`, which says who has it."""
    while True:
        if path.is_symlink():
            path.unlink()
        handle = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o666)
        try:
            locked = files.try_lock(handle)
            if locked is False:
                raise UsageError(
                    f"Checkpoint: {folder} is in use: {_holder(handle)} trains into it; "
                    "wait for its end, stop it, or choose another folder"
                )
            if locked is None:
                say(f"gpunn: the file system of {folder} has no locks: see to it that nothing else trains into it")
            if _is_at(handle, path):
                words = f"process {os.getpid()} on {platform.node()}, since {time.strftime('%Y-%m-%d %H:%M:%S')},"
                os.ftruncate(handle, 0)
                os.write(handle, words.encode(errors="replace"))
                return handle
        except BaseException:
            with held():
                _release(handle, path)
            raise
        os.close(handle)  # its holder has ended, and removed it, in between


def _release(handle: int, path: Path) -> None:
    """Remove the file, if it is ours, while it is locked: who waits for it looks whether it is still there."""
    with suppress(OSError):
        if files.try_lock(handle) is not False and _is_at(handle, path):
            os.unlink(path)
    os.close(handle)


def _holder(handle: int) -> str:
    time.sleep(0.05)  # it may have the lock since this very moment, and still have to write its name
    return plain(os.read(handle, 200).decode(errors="replace")) or "another process"


def _is_at(handle: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), os.stat(path))
    except FileNotFoundError:
        return False
