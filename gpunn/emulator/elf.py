"""Reads a compiled kernel's static ``__shared__`` variables from its symbol table, so that messages can name them."""

from __future__ import annotations

import re
import struct
from pathlib import Path

SECTION = b"gpunn_shared"
_SYMTAB, _OBJECT = 2, 1
_HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
_SECTION = struct.Struct("<IIQQQQIIQQ")
_SYMBOL = struct.Struct("<IBBHQQ")


def shared_variables(path: Path) -> tuple[tuple[str, int, int], ...]:
    """(name, address relative to the load address, bytes) of each shared variable of a 64-bit ELF file."""
    data = path.read_bytes()
    if data[:6] != b"\x7fELF\x02\x01":
        return ()
    header = _HEADER.unpack_from(data)
    start, size, count, names_at = header[6], header[11], header[12], header[13]
    sections = [_SECTION.unpack_from(data, start + i * size) for i in range(count)]
    names = sections[names_at][4]
    shared = next((i for i, s in enumerate(sections) if _text(data, names + s[0]) == SECTION), None)
    if shared is None:
        return ()
    found = []
    for section in sections:
        if section[1] != _SYMTAB:
            continue
        strings = sections[section[6]][4]
        for at in range(section[4], section[4] + section[5], _SYMBOL.size):
            name, info, _, index, value, extent = _SYMBOL.unpack_from(data, at)
            if index == shared and info & 15 == _OBJECT and extent:
                found.append((_plain_name(_text(data, strings + name).decode()), value, extent))
    return tuple(sorted(found, key=lambda item: item[1]))


def _text(data: bytes, at: int) -> bytes:
    return data[at : data.index(b"\0", at)]


def _plain_name(mangled: str) -> str:
    """The last name in a mangled one: ``_ZZ6matmulE4tile`` is ``tile``. Names are written as length, then letters."""
    name, rest = mangled, mangled
    while match := re.search(r"(\d+)([A-Za-z_].*)", rest):
        length = int(match[1])
        if length > len(match[2]):
            break
        name, rest = match[2][:length], match[2][length:]
    return name
