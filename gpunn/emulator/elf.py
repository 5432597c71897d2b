"""Reads the variables of a compiled kernel: launches poison the ``__shared__`` ones, messages name them."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from pathlib import Path

_SYMTAB, _OBJECT = 2, 1
_HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
_SECTION = struct.Struct("<IIQQQQIIQQ")
_SYMBOL = struct.Struct("<IBBHQQ")


@dataclass(frozen=True)
class Variable:
    """A variable in writable memory: its address relative to the load address, its size in bytes."""

    name: str
    low: int
    bytes: int
    shared: bool


def variables(path: Path) -> tuple[Variable, ...]:
    """The variables of a 64-bit ELF file that lie in gpunn_shared or .bss, by address.

    GCC leaves a template's static variables in .bss, whatever section they ask for. Device code has no other static
    variables of functions, so every one (its mangled name starts with _ZZ) is a ``__shared__`` variable.
    """
    data = path.read_bytes()
    if data[:6] != b"\x7fELF\x02\x01":
        return ()
    header = _HEADER.unpack_from(data)
    start, size, count, names_at = header[6], header[11], header[12], header[13]
    sections = [_SECTION.unpack_from(data, start + i * size) for i in range(count)]
    titles = [_text(data, sections[names_at][4] + section[0]) for section in sections]
    found = []
    for section in sections:
        if section[1] != _SYMTAB:
            continue
        strings = sections[section[6]][4]
        for at in range(section[4], section[4] + section[5], _SYMBOL.size):
            name, info, _, index, value, extent = _SYMBOL.unpack_from(data, at)
            title = titles[index] if index < count else ""
            if info & 15 != _OBJECT or not extent or title not in ("gpunn_shared", ".bss"):
                continue
            mangled = _text(data, strings + name)
            shared = title == "gpunn_shared" or mangled.startswith("_ZZ")
            found.append(Variable(_plain_name(mangled), value, extent, shared))
    return tuple(sorted(found, key=lambda variable: variable.low))


def _text(data: bytes, at: int) -> str:
    return data[at : data.index(b"\0", at)].decode()


def _plain_name(mangled: str) -> str:
    """The variable's own name: ``_ZZ6matmulE4tile`` and ``_ZZ6matmulE4tile_0`` are ``tile``.

    A mangled name is written as its length and its letters, and the variable's own comes last.
    """
    for match in re.finditer(r"(?=(\d+)([A-Za-z_]\w*))", mangled):
        length = int(match[1])
        if length <= len(match[2]) and re.fullmatch(r"(_\d+|__\d+_)?", match[2][length:]):
            return match[2][:length]
    return mangled
