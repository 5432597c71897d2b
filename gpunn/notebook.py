"""What a notebook shows of a Tensor, a Module or a summary in place of its text: tables, in HTML.

IPython asks for them as `_repr_html_`. There is no script and no style sheet; words are escaped.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

import numpy as np

EDGE, MOST = 3, 8  # rows, or columns, from either end; and up to how many of them all are shown


class Summary(str):
    """A text that a notebook shows as a table.

    >>> summary = nn.summary(nn.Linear(3, 2), (1, 3))
    >>> isinstance(summary, str), summary._repr_html_()[:34]
    (True, '<table><caption>Linear on cpu, flo')
    """

    html: str

    def __new__(cls, text: str, html: str = "") -> Summary:
        made = super().__new__(cls, text)
        made.html = html
        return made

    def _repr_html_(self) -> str:
        return self.html


def table(caption: str, head: Sequence[str], rows: Iterable[Sequence[str]], words: int) -> str:
    """An HTML table, whose first `words` columns are to the left, as words are.

    >>> notebook.table("a < b", ["name"], [["x"]], words=1)[:51]
    '<table><caption>a &lt; b</caption><thead><tr><th st'
    """

    def row(tag: str, cells: Sequence[str]) -> str:
        made = (
            f'<{tag} style="text-align: {"left" if i < words else "right"}">{escape(cell)}</{tag}>'
            for i, cell in enumerate(cells)
        )
        return f"<tr>{''.join(made)}</tr>"

    body = "".join(row("td", cells) for cells in rows)
    return f"<table><caption>{escape(caption)}</caption><thead>{row('th', head)}</thead><tbody>{body}</tbody></table>"


def ends(n: int) -> list[slice]:
    """Where what is shown of n rows or columns lies: all of it, or its two ends."""
    return [slice(0, n)] if n <= MOST else [slice(0, EDGE), slice(n - EDGE, n)]


def matrix(caption: str, shape: tuple[int, ...], shown: np.ndarray) -> str:
    """The table of a matrix of this shape, of which `shown` has what lies at the `ends`."""
    down, across = map(_numbers, shape)
    lines = iter(shown)
    rows = [["\u22ee"] * (len(across) + 1) if d is None else [str(d), *_spread(next(lines), across)] for d in down]
    return table(caption, ["", *["\u2026" if a is None else str(a) for a in across]], rows, words=0)


def _numbers(n: int) -> list[int | None]:
    """The numbers of the rows or columns shown, with None where some are left out."""
    return [*range(n)] if n <= MOST else [*range(EDGE), None, *range(n - EDGE, n)]


def _spread(values: np.ndarray, across: Sequence[int | None]) -> list[str]:
    given = iter(values)
    return ["\u2026" if a is None else _cell(next(given)) for a in across]


def _cell(value: np.generic) -> str:
    """A number in four digits; whole numbers and bools in full."""
    return str(value) if value.dtype.kind in "iub" else f"{float(value):.4g}"
