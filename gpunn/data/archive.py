"""What is packed, unpacked within limits: gzip'ed files, and the members of a .tar.gz.

Python's tarfile follows an archive's numbers wherever they lead: past the end for a member of 2**62 bytes, into memory
for a sparse one. The sets' archives need a header's name, size and type alone.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from gpunn import files, limits

BLOCK = 512  # a tar archive's unit: a header, or part of a member
PIECE = 1 << 20
MEMBERS = 1000  # of an archive; CIFAR's have at most 9
FILES = (b"0", b"\0")  # a header's type of a plain file


def pieces(file: BinaryIO, most: int) -> Iterator[bytes]:
    """What is left of a file. ValueError where it is more than `most` bytes."""
    total = 0
    while piece := file.read(PIECE):
        total += len(piece)
        if total > most:
            raise ValueError(f"it unpacks to more than {most:,} bytes")
        yield piece


def unpacked(data: BinaryIO, most: int = limits.ARCHIVE_BYTES) -> bytearray:
    """A gzip'ed file's content. ValueError where it is too much, EOFError, OSError and zlib.error for damage."""
    content = bytearray()
    with gzip.GzipFile(fileobj=data) as plain:
        for piece in pieces(plain, most):  # type: ignore[arg-type] - it reads as a BinaryIO does
            content += piece
    return content


def members(path: Path, names: tuple[str, ...], most: int = limits.ARCHIVE_BYTES) -> dict[str, memoryview]:
    """The plain files called `names`, wherever they lie in a .tar.gz; nothing is copied, or written to disk.

    ValueError, EOFError, OSError and zlib.error where it is damaged, cut short, or unpacks to more than `most` bytes.
    """
    with files.reading(path) as packed:
        content = memoryview(unpacked(packed, most))
    found: dict[str, memoryview] = {}
    start = count = 0
    while start + BLOCK <= len(content) and any(head := bytes(content[start : start + BLOCK])):
        size, start, count = _size(head), start + BLOCK, count + 1
        if count > MEMBERS:
            raise ValueError(f"it has more than {MEMBERS:,} members")
        if start + size > len(content):
            raise ValueError(f"a member of {size:,} bytes goes past the end")
        name = PurePosixPath(head[:100].partition(b"\0")[0].decode("utf-8", "replace")).name
        if head[156:157] in FILES and name in names:
            found[name] = content[start : start + size]
        start += -(-size // BLOCK) * BLOCK
    if not start and not content[:BLOCK]:
        raise ValueError("it is empty")
    return found


def _size(head: bytes) -> int:
    """The size that a member's header gives. ValueError where its checksum differs, or the size is no octal number."""
    blanked = head[:148] + b" " * 8 + head[156:]
    if sum(blanked) != _octal(head[148:156]):
        raise ValueError("a member's header is damaged: its checksum differs")
    return _octal(head[124:136])


def _octal(field: bytes) -> int:
    digits = field.strip(b" \0")
    if digits.translate(None, b"01234567"):
        raise ValueError(f"a member's header has {field!r} for a number")
    return int(digits or b"0", 8)
