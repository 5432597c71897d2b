"""Docstrings as reStructuredText: they are plain text, with names in backticks and examples after >>>."""

from __future__ import annotations

import re
from typing import Any

CODE = re.compile(r"(`+)(.+?)\1")
NAME = re.compile(r"[A-Za-z_][\w.]*(\(\))?")


def process(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Sphinx's hook: changes `lines` in place."""
    lines[:] = as_rst(lines)


def as_rst(lines: list[str]) -> list[str]:
    """The lines with markup in place of backticks, and what would be markup by accident escaped."""
    done, example = [], False
    for line in lines:
        # An example goes on to the next empty line: what it prints is no prose.
        example = bool(line.strip()) and (example or line.lstrip().startswith(">>>"))
        done.append(line if example else _prose(line))
    return done


def _prose(line: str) -> str:
    pieces, at = [], 0
    for code in CODE.finditer(line):
        pieces += [_escaped(line[at : code.start()]), _marked(code[2])]
        at = code.end()
    return "".join([*pieces, _escaped(line[at:])])


def _escaped(text: str) -> str:
    return re.sub(r"([\\*|`]|(?<=\w)_(?!\w))", r"\\\1", text)


def _marked(code: str) -> str:
    """A name links to what it names, where that has a place in the reference; other code is code."""
    return f":py:obj:`{code}`" if NAME.fullmatch(code) else f"``{code}``"
