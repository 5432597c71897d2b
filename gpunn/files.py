"""The cache folder; files written whole or not at all, or line by line; and what processes that died left behind.

What is being written has a name of its own and the lock of the process that writes it, which the kernel releases when
that ends, however it ends. So a process knows what it may sweep away: no process identifier, which another process may
have by now, and which says nothing of another host, has to be asked.
"""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import stat
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO

from gpunn.stopping import held

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

TEMPORARY = ".gpunn-tmp"  # ends the names of files and folders that stay only while they are written
DAY = 86400.0


class NotAFile(OSError):
    """A pipe, a device or a socket where a file was expected: reading it may wait for ever, or never end."""


def cache_folder() -> Path:
    """`$XDG_CACHE_HOME/gpunn`, or `~/.cache/gpunn`; it need not exist yet."""
    base = os.environ.get("XDG_CACHE_HOME")
    if base:
        return Path(base) / "gpunn"
    try:
        return Path.home() / ".cache" / "gpunn"
    except RuntimeError:  # a user without a home, as in some containers
        return Path(tempfile.gettempdir()) / "gpunn"


def reading(path: str | os.PathLike) -> BinaryIO:
    """A file, or a link to one, opened for reading. OSError where there is none; NotAFile for a pipe or a device."""
    nonblocking = getattr(os, "O_NONBLOCK", 0)  # to open a pipe waits for its writer
    file = open(path, "rb", opener=lambda name, flags: os.open(name, flags | nonblocking))  # noqa: SIM115
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise NotAFile(errno.EINVAL, "it is a pipe or a device, no file", os.fspath(path))
    return file


def write_atomically(path: Path, write: Callable[[BinaryIO], Any]) -> None:
    """Let `write(file)` fill a temporary file beside `path`, bring it to the disk, and only then put it in place.

    Whatever happens on the way, `path` holds either the old contents or the new. A symbolic link there is replaced,
    never followed. No temporary file stays; one of a process that was killed goes when another first writes into the
    folder. Raises OSError where the folder is not there or the disk is full.
    """
    _swept(path.parent)
    temporary = _temporary(path.parent)
    try:
        with open(temporary, "xb") as file:
            if not _held(file.fileno(), temporary):
                return write_atomically(path, write)
            write(file)
            file.flush()
            if fcntl is not None:  # still locked: a sweep must not see it between the two
                put_in_place(temporary, path)
        if fcntl is None:  # Windows renames no open file
            put_in_place(temporary, path)
    finally:
        with held(), suppress(OSError):  # gone into its place, or never made
            temporary.unlink()


def link_atomically(existing: Path, path: Path) -> None:
    """Make `path` a second name of the file `existing`, all or nothing; when one is replaced, the other stays.

    Raises OSError where the file system has no such links.
    """
    temporary = _temporary(path.parent)
    try:
        os.link(existing, temporary)
        os.replace(temporary, path)
        _sync_folder(path.parent)
    finally:
        with held(), suppress(OSError):  # it stays where `path` had been that very file already
            temporary.unlink()


def put_in_place(temporary: Path, path: Path) -> None:
    """Give a finished file its name, once it is on the disk: a power cut leaves the old file or the whole new one."""
    handle = os.open(temporary, os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
    os.replace(temporary, path)
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """Make the rename itself survive a power cut; Windows, and some network file systems, sync no folder."""
    with suppress(OSError):  # the file is there
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def append(path: Path, data: bytes, size: int) -> bool:
    """Add `data` to the end of `path` and bring it to the disk, if that is a file of `size` bytes; else False.

    Never through a symbolic link, nor into a file of several names, one of which may be somebody's copy. Raises
    OSError where the disk is full, and then cuts off what came to stand there.
    """
    try:
        handle = os.open(path, os.O_WRONLY | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0))
    except OSError:
        return False
    try:
        found = os.fstat(handle)
        if found.st_size != size or found.st_nlink != 1 or os.path.islink(path):
            return False
        try:
            rest = memoryview(data)
            while rest:
                rest = rest[os.write(handle, rest) :]
            os.fsync(handle)
        except BaseException:
            with suppress(OSError):
                os.ftruncate(handle, size)
            raise
        return True
    finally:
        os.close(handle)


@contextmanager
def scratch_folder(folder: Path) -> Iterator[tuple[Path, int]]:
    """A new folder in `folder` for another program's output, and the open handle that locks it.

    A child that inherits the handle keeps the lock for as long as it lives, also after this process. The folder is
    removed at the end. For Linux, whose compilers it is for: Windows opens no folder.
    """
    _swept(folder)
    temporary, handle = _temporary(folder), None
    try:
        temporary.mkdir(0o700)
        handle = os.open(temporary, os.O_RDONLY)
        if _held(handle, temporary):
            yield temporary, handle
        else:
            with scratch_folder(folder) as another:
                yield another
    finally:
        with held():
            shutil.rmtree(temporary, ignore_errors=True)
            if handle is not None:
                os.close(handle)


def try_lock(handle: int) -> bool | None:
    """Lock an open file for as long as it stays open here; False where another has it, None where nothing locks."""
    if fcntl is None:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # some network file systems know no locks
        return None
    return True


def sweep(folder: Path) -> None:
    """Remove what dead processes were writing into `folder`; what a living one writes is locked, and stays.

    Where nothing locks, what is older than a day goes.
    """
    with suppress(OSError), os.scandir(folder) as entries:
        for path in [Path(entry.path) for entry in entries if entry.name.endswith(TEMPORARY)]:
            with suppress(OSError):
                _remove_abandoned(path)


def remedy(error: OSError) -> str:
    """What to do about a file that cannot be written, in words."""
    if error.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC), errno.EFBIG):
        return "free some space or choose another folder"
    if error.errno == errno.EIO:
        return "the disk fails: look after it, and choose a folder on another"
    return "choose another folder, or make this one writable"


def _temporary(folder: Path) -> Path:
    return folder / f".{secrets.token_hex(8)}{TEMPORARY}"


def _held(handle: int, temporary: Path) -> bool:
    """Lock a temporary that was just made; False where a sweep took it in the microseconds before."""
    return try_lock(handle) is not False and temporary.exists()


@lru_cache(maxsize=64)
def _swept(folder: Path) -> None:
    """Sweep a folder when this process first writes into it."""
    sweep(folder)


def _remove_abandoned(path: Path) -> None:
    folder = path.is_dir() and not path.is_symlink()
    mode = os.O_RDONLY if folder else os.O_RDWR  # network file systems lock what is open for writing alone
    handle = os.open(path, mode | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    try:
        locked = try_lock(handle)
        if locked or (locked is None and time.time() - os.fstat(handle).st_mtime > DAY):
            shutil.rmtree(path) if folder else path.unlink()
    finally:
        os.close(handle)
