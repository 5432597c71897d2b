"""Fetching a file from the first mirror that delivers it: resumed where it broke off, verified, renamed into place."""

from __future__ import annotations

import gzip
import hashlib
import http.client
import os
import socket
import urllib.error
import urllib.parse
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from gpunn.bars import bar
from gpunn.data.archive import pieces
from gpunn.data.request import TooSlow, answer_of, body, length
from gpunn.errors import DataError
from gpunn.files import put_in_place
from gpunn.text import plain

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

TIMEOUT = 8.0  # seconds without a byte before a mirror is given up
TRIES = 3  # requests to one mirror, each going on where the one before broke off


class DownloadError(DataError):
    """No mirror delivered the file, or it cannot be stored; `brief` says why in some words."""

    def __init__(self, message: str, brief: str):
        super().__init__(message)
        self.brief = brief


class _Bad(Exception):
    """Why one mirror is given up; the text goes into the DownloadError."""


class _BrokeOff(_Bad):
    """The body ended early; another request can go on from there."""


class _NoNetwork(_Bad):
    """No name server answers: the other mirrors' names would only cost as much time again."""


class Wanted(NamedTuple):
    """The gzip'ed file that a mirror should have: the sum and size of its content, or with `packed` of itself."""

    md5: str
    size: int
    packed: bool = False

    @property
    def most(self) -> int:
        """Bytes that the file has at most, and its content: what does not shrink in gzip grows by less than this."""
        return self.size + self.size // 100 + 1024


def fetch(urls: Sequence[str], path: Path, wanted: Wanted, timeout: float = TIMEOUT) -> Path:
    """Download a gzip'ed file to `path` from the first of `urls` that has the one `wanted`.

    A mirror is given up that says nothing for `timeout` seconds, that drips, or sends more than the file can have. What
    arrived stays in `path`.part until it is whole, and the next attempt goes on from there (HTTP Range), now or
    in a later process. Only a verified file appears under `path`; one that is there stays. Raises
    DownloadError naming every mirror's failure.
    """
    part = path.with_name(path.name + ".part")
    failures: dict[str, list[str]] = {}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _alone(path.parent):
            if path.exists():  # another process fetched it while this one waited
                return path
            for url in urls:
                try:
                    _from_mirror(url, part, wanted, timeout)
                except _Bad as failure:
                    hosts = failures.setdefault(str(failure), [])
                    if (host := urllib.parse.urlsplit(url).netloc or url) not in hosts:
                        hosts.append(host)
                    if isinstance(failure, _NoNetwork):
                        break
                else:
                    put_in_place(part, path)
                    return path
    except OSError as error:
        reason = error.strerror or str(error)
        raise DownloadError(
            f"download: cannot store {path}: {reason};"
            " free some space there or set XDG_CACHE_HOME to a folder that can be written",
            f"{path.parent} cannot be written: {reason}",
        ) from error
    tried = "; ".join(f"{', '.join(hosts)}: {reason}" for reason, hosts in failures.items()) or "no mirror was given"
    raise DownloadError(
        f"download: no mirror delivered {path.name} ({tried}); try again with a network, or put the file at {path}",
        f"no mirror delivered it: {'; '.join(failures) or 'none was given'}",
    )


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Let one process at a time download into `folder`: two must not write one `.part`. No lock, no waiting."""
    handle = None
    if fcntl is not None:
        handle = os.open(folder, os.O_RDONLY)
        with suppress(OSError):  # some network file systems cannot lock a folder
            fcntl.flock(handle, fcntl.LOCK_EX)
    try:
        yield
    finally:
        if handle is not None:
            os.close(handle)


def _from_mirror(url: str, part: Path, wanted: Wanted, timeout: float) -> None:
    """Complete and verify `part` from one mirror, or raise _Bad."""
    resumed = part.exists()
    for attempt in range(TRIES):
        try:
            _request(url, part, wanted, timeout)
        except _BrokeOff:
            if attempt == TRIES - 1:
                raise
            continue
        found = _md5(part, wanted)
        if found == wanted.md5:
            return
        part.unlink()
        if not resumed:  # a whole fresh download is wrong: the mirror is
            raise _Bad(f"checksum {found} differs from {wanted.md5}")
        resumed = False  # the old part may be another file's: once more, from the start
    raise _Bad("the download kept breaking off")


def _request(url: str, part: Path, wanted: Wanted, timeout: float) -> None:
    """One request: append to `part` where it ends, or start it anew where the mirror does not resume."""
    have = part.stat().st_size if part.exists() else 0
    if have > wanted.most:  # of another file
        part.unlink()
        have = 0
    headers = {"User-Agent": "gpunn", **({"Range": f"bytes={have}-"} if have else {})}
    try:
        response = answer_of(url, headers, timeout)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 416 and have:  # nothing follows what we have: it is whole, and the checksum will judge it
            return
        raise _Bad(f"HTTP status {error.code}") from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        unnamed = getattr(getattr(error, "reason", None), "errno", None) == socket.EAI_AGAIN
        raise (_NoNetwork if unnamed else _Bad)(_reason(error)) from error
    with response:
        if response.status not in (200, 206):
            raise _Bad(f"HTTP status {response.status}")
        given = response.headers.get("Content-Range") or ""
        if response.status == 206 and not (have and given.startswith(f"bytes {have}-")):
            raise _Bad(f"it sent another part ({plain(given, 40) or 'unnamed'}) than was asked for")
        have = have if response.status == 206 else 0
        left = length(response.headers)
        _store(body(response, timeout), part, have, None if left is None else have + left, wanted.most)


def _store(coming: Iterator[bytes], part: Path, have: int, total: int | None, most: int) -> None:
    """Write a response's body into `part` from byte `have` on, `most` bytes in all, under a progress bar."""
    if (total or have) > most:
        raise _Bad(f"it announces {total or have:,} bytes, more than the {most:,} that the file has")
    with (
        open(part, "r+b" if have else "wb") as file,
        bar(part.name.removesuffix(".part"), initial=have, total=total, unit="B", unit_scale=True) as shown,
    ):
        file.seek(have)
        file.truncate()
        while piece := _guarded(coming):
            have += len(piece)
            if have > most:
                file.truncate(0)  # what is there is no part of the file
                raise _Bad(f"it sends more than the {most:,} bytes that the file has")
            file.write(piece)
            shown.update(len(piece))
        file.flush()
        os.fsync(file.fileno())
    if total is not None and have != total:
        raise _BrokeOff(f"broke off after {have} of {total} bytes")


def _guarded(coming: Iterator[bytes]) -> bytes:
    """The next piece; network failures become _BrokeOff. A full disk, while writing, stays an OSError."""
    try:
        return next(coming, b"")
    except TooSlow as error:
        raise _Bad(_reason(error)) from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise _BrokeOff(_reason(error)) from error


def _reason(error: Exception) -> str:
    cause = getattr(error, "reason", None) or error
    return plain(getattr(cause, "strerror", None) or str(cause).strip() or type(cause).__name__)


def _md5(part: Path, wanted: Wanted) -> str:
    """MD5 of the file, or of its unpacked content, or what is wrong with it."""
    digest = hashlib.md5(usedforsecurity=False)
    try:
        with open(part, "rb") if wanted.packed else gzip.open(part) as file:
            for piece in pieces(file, wanted.most):  # type: ignore[arg-type] - both read as a BinaryIO does
                digest.update(piece)
    except (EOFError, gzip.BadGzipFile, zlib.error):
        return "(not a whole gzip file)"
    except ValueError as error:
        return f"({error})"
    return digest.hexdigest()
