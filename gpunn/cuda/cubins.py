"""Compiled kernels in the cache folder, by source, options and compiler: compiled once, read from then on."""

from __future__ import annotations

import hashlib
import struct
import sys
import zlib
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path

from gpunn.files import cache_folder, write_atomically

Cubin = tuple[bytes, str]  # machine code, and the compiler's log
_LENGTH = struct.Struct("<I")
_DIGEST = hashlib.sha256().digest_size


def cached(name: str, key: Iterable[str], build: Callable[[], Cubin]) -> Cubin:
    """What `build()` gives for `key`, the words on which that depends; from the cache where it is there.

    `name` begins the file's name. An entry that is damaged is compiled anew, and where the cache cannot be written
    nothing is kept: a line on stderr says so.
    """
    digest = hashlib.sha256("\0".join(key).encode()).hexdigest()[:32]
    path = cache_folder() / "cubins" / f"{name.replace('/', '-')}-{digest}.cubin"
    found = _read(path)
    if found is None:
        found = build()
        _write(path, found)
    return found


def _read(path: Path) -> Cubin | None:
    try:
        data = path.read_bytes()
    except OSError:
        return None
    packed = data[_DIGEST:]
    if hashlib.sha256(packed).digest() != data[:_DIGEST]:
        _say(f"gpunn: {path} is damaged; the kernel is compiled anew")
        return None
    text = zlib.decompress(packed)
    end = _LENGTH.size + _LENGTH.unpack_from(text)[0]
    return text[end:], text[_LENGTH.size : end].decode()


def _write(path: Path, cubin: Cubin) -> None:
    code, log = cubin[0], cubin[1].encode()
    packed = zlib.compress(_LENGTH.pack(len(log)) + log + code)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, lambda file: file.write(hashlib.sha256(packed).digest() + packed))
    except OSError as error:
        _say(
            f"gpunn: compiled kernels cannot be kept in {path.parent} ({error.strerror}); "
            "set XDG_CACHE_HOME to a folder that you can write"
        )


@cache
def _say(line: str) -> None:
    """Once a process: every kernel would say the same of a folder that cannot be written."""
    print(line, file=sys.stderr)
