"""Seals of cached files: the last bytes, a digest of name and content, which a damaged file lacks, and another's."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

from gpunn import terminal

BYTES = 32  # of a seal


def seal(name: str, content: bytes) -> bytes:
    """What ends a file of that name and content; readers of libraries and arrays pass over what follows theirs."""
    return hashlib.sha256(name.encode() + b"\0" + content).digest()


def is_sealed(path: Path, what: str) -> bool:
    """Whether the file is there and whole; of one that is there and is not, a line on stderr says that `what` follows.

    A library cut in half would otherwise end the process that loads it, by SIGBUS.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return False
    except OSError:
        data = b""
    if data[-BYTES:] == seal(path.name, data[:-BYTES]):
        return True
    say(f"gpunn: {path} is damaged; {what}")
    return False


@cache
def say(line: str) -> None:
    """Print a line on stderr, once a process: every kernel would say the same of a folder that cannot be written."""
    terminal.say(line)
