"""From the text of a ``.cu`` file to a translation unit for a host compiler. Line numbers stay those of the file."""

from __future__ import annotations

import re

_COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.S)
_DYNAMIC = re.compile(r"extern\s+__shared__\s+([^;\[\]]*?)(\w+)\s*\[\s*\]\s*;")
_ALIGN = re.compile(r"__align__\s*\([^()]*\)|alignas\s*\([^()]*\)|__attribute__\s*\(\(.*?\)\)")
_UNROLL = re.compile(r"^([ \t]*)#[ \t]*pragma[ \t]+unroll\b[ \t]*\(?[ \t]*(\w*)[ \t]*\)?[ \t]*$", re.M)
_VOLATILE = re.compile(r"(?<!asm )\bvolatile\b(?!\s*\()")

# `#pragma unroll` alone means "fully" to CUDA. GCC wants a number; a loop over a register tile has at most so many
# turns.
FULL_UNROLL = 32


def translation_unit(source: str, name: str, macros: dict[str, object], filename: str) -> str:
    """The complete C++ text. Macros come after the host headers: a ``T`` or an ``N`` must not reach their templates."""
    defines = "".join(f"#define {key} {_macro(value)}\n" for key, value in sorted(macros.items()))
    body = _UNROLL.sub(_unroll, _DYNAMIC.sub(_dynamic_shared, source))
    return (
        f'#include "host_cuda.h"\n#define GPUNN_HOST 1\n{defines}'
        # Unnamed: static shared variables of templates then stay in this object, and in their own section.
        f'namespace {{\n#line 1 "{filename}"\n{body}\n}}\n#line 1 "entry"\nGPUNN_ENTRY({name})\n'
    )


def _macro(value: object) -> str:
    if value is None or value is True:
        return "1"
    return "0" if value is False else str(value)


def _dynamic_shared(match: re.Match[str]) -> str:
    kind = " ".join(_ALIGN.sub(" ", match[1]).split())
    return f"GPUNN_DYNAMIC_SHARED({kind}, {match[2]});" + "\n" * match[0].count("\n")


def _unroll(match: re.Match[str]) -> str:
    return f"{match[1]}#pragma GCC unroll {match[2] or FULL_UNROLL}"


def may_spin(source: str) -> bool:
    """Whether the text has a volatile variable or pointer, by which a loop waits for memory to change."""
    return _VOLATILE.search(_COMMENT.sub(" ", source)) is not None


def parameter_names(source: str, name: str) -> list[str] | None:
    """The names in the entry's parameter list, or None where the text cannot tell (a macro wrote it)."""
    text = _COMMENT.sub(" ", source)
    for match in re.finditer(rf"\b{re.escape(name)}\s*\(", text):
        inside, end = _parenthesised(text, match.end())
        if "__global__" in text[max(0, match.start() - 200) : match.start()] and text[end:].lstrip().startswith("{"):
            words = [re.findall(r"\w+", part.split("=")[0]) for part in _split(inside)]
            return [found[-1] for found in words if found and found != ["void"]]
    return None


def _parenthesised(text: str, start: int) -> tuple[str, int]:
    depth, at = 1, start
    while at < len(text) and depth:
        depth += {"(": 1, ")": -1}.get(text[at], 0)
        at += 1
    return text[start : at - 1], at


def _split(parameters: str) -> list[str]:
    parts, depth = [""], 0
    for char in parameters:
        depth += {"(": 1, "<": 1, ")": -1, ">": -1}.get(char, 0)
        if char == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += char
    return parts
