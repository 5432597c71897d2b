"""C++ structs as NumPy dtypes, read from the kernel's own text, so that what is passed by value has one definition."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from gpunn.cuda.dtypes import CUDA_NAMES

_MEMBER = re.compile(r"\s*(const\s+)?(\w+)\s*(\*?)\s*([^;]+);")
_DECLARED = re.compile(r"\s*(\w+)\s*(?:\[\s*(\w+)\s*\])?\s*")
_COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.S)
_NUMBERS = {**CUDA_NAMES, "i64": "int64", "unsigned": "uint32"}


@dataclass(frozen=True)
class Layout:
    """A struct's dtype, with the compiler's offsets, and its pointer fields: name -> whether the kernel only reads."""

    dtype: np.dtype
    pointers: Mapping[str, bool]


def layout(text: str, name: str, macros: Mapping[str, object]) -> Layout:
    """The struct ``name`` of a kernel's text, specialised by macros. ValueError where the text has no such struct.

    Members are numbers, pointers, structs, and one-dimensional arrays of them; a pointer is a uint64.
    """
    found = re.search(rf"\bstruct\s+{name}\s*\{{([^{{}}]*)\}};", _COMMENT.sub(" ", text))
    if found is None:
        raise ValueError(f"struct {name}: the source defines none, or one with braces inside; expected plain members")
    fields: list[tuple] = []
    pointers: dict[str, bool] = {}
    for constant, kind, star, declared in _MEMBER.findall(found[1]):
        for one in declared.split(","):
            match = _DECLARED.fullmatch(one)
            if match is None:
                raise ValueError(f"struct {name}: cannot read the member {one.strip()!r}; expected like `T* x[ROWS]`")
            member, length = match.groups()
            dtype = np.dtype(np.uint64) if star else _number(text, kind, macros)
            shape = () if length is None else (int(str(macros.get(length, length))),)
            fields.append((member, dtype, shape))
            if star:
                pointers[member] = bool(constant)
    return Layout(np.dtype(fields, align=True), pointers)


def _number(text: str, kind: str, macros: Mapping[str, object]) -> np.dtype:
    kind = str(macros.get(kind, kind))
    return np.dtype(_NUMBERS[kind]) if kind in _NUMBERS else layout(text, kind, macros).dtype
