"""The secret of ranks on one host that were given none: a file that its user alone can read."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path
from secrets import token_hex

from gpunn.errors import DistError
from gpunn.files import cache_folder


def local_secret(port: int) -> str:
    """The secret of this user's runs at a port of this host: all who ask get the same, made for the first.

    Raises DistError where it cannot be kept, or where others could read it.
    """
    path = cache_folder() / "ranks" / f"secret-{port}"
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _check(path.parent, os.lstat(path.parent), stat.S_ISDIR)
        if not path.exists():
            _make(path)
        with open(path, opener=lambda name, flags: os.open(name, flags | getattr(os, "O_NOFOLLOW", 0))) as file:
            _check(path, os.fstat(file.fileno()), stat.S_ISREG)
            return file.read()
    except OSError as error:
        raise DistError(
            f"the secret of the ranks cannot be kept in {path} ({error.strerror}); set GPUNN_DIST_SECRET, on all "
            "ranks, to the same letters"
        ) from error


def _make(path: Path) -> None:
    """Whole or not at all, and only for the first of several ranks that come at once."""
    temporary = path.with_name(f"{path.name}.{token_hex(8)}")
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "w") as file:
            file.write(token_hex(32))
        with suppress(FileExistsError):
            os.link(temporary, path)
    finally:
        temporary.unlink()


def _check(path: Path, found: os.stat_result, kind) -> None:
    if hasattr(os, "geteuid") and (found.st_uid != os.geteuid() or found.st_mode & 0o077 or not kind(found.st_mode)):
        raise DistError(
            f"{path} is not this user's alone, expected the ranks' secret to be; remove it, or set GPUNN_DIST_SECRET"
        )
