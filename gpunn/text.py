"""Words of unknown origin, such as class names and the values of a damaged file, made harmless to show."""

from __future__ import annotations

import unicodedata
from html import escape

import numpy as np

# Control characters, which a terminal obeys; formats such as a reversed writing direction; halves of a character.
HIDDEN = ("Cc", "Cf", "Cs", "Zl", "Zp")


def plain(text: str, most: int = 200) -> str:
    r"""The text in one line that a terminal, a page and a file take as they are: what is hidden is spelled, as \x1b.

    At most so many characters, the last "..." where there were more.

    Examples:
        >>> from gpunn.text import plain
        >>> plain("T-shirt"), plain("a\x1b[31m\n")
        ('T-shirt', 'a\\x1b[31m\\n')
    """
    cut = text if len(text) <= most else text[: most - 3] + "..."
    if cut.isascii() and cut.isprintable():
        return cut
    return "".join(repr(c)[1:-1] if unicodedata.category(c) in HIDDEN else c for c in cut)


def one_line(text: str, most: int = 200) -> str:
    r"""The text as `plain` shows it, with line breaks and runs of blanks as one blank each.

    Examples:
        >>> from gpunn.text import one_line
        >>> one_line("no such file;\n  check the path")
        'no such file; check the path'
    """
    return plain(" ".join(text.split()), most)


def escaped(text: str) -> str:
    """The text as it stands in a page: plain, and none of it markup."""
    return escape(plain(text, 100_000))


def drawable(text: str, most: int = 60) -> str:
    r"""The text as matplotlib draws it letter by letter: plain, and no formula between two dollars.

    Examples:
        >>> from gpunn.text import drawable
        >>> print(drawable("$\\frac{1}{$"))
        \$\frac{1}{\$
    """
    return plain(text, most).replace("$", r"\$")


def brief(value: object, most: int = 60) -> str:
    """A value in an error's words: one line, however long, deep or odd it is."""
    if isinstance(value, np.ndarray) and value.ndim:
        return f"an array of {value.dtype} {value.shape}"
    if isinstance(value, int) and value.bit_length() > 64:
        return f"a whole number of {value.bit_length()} bits"  # its digits may be too many for Python to print
    if isinstance(value, (dict, list, tuple, set)) and len(value) > 3:
        return f"a {type(value).__name__} of {len(value)}"
    if isinstance(value, (str, bytes)) and len(value) > most:
        return f"{plain(repr(value[: most - 10]), most)} and {len(value) - most + 10:,} more"
    try:
        return plain(repr(value), most)
    except (RecursionError, ValueError):
        return f"a {type(value).__name__}"
