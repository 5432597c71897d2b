"""Progress: a tqdm bar on a terminal, in a log a line a minute at most. Neither ends the work that it tells of."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any, TextIO, TypeVar

from gpunn.terminal import Forgiving, say

try:
    from tqdm import tqdm
except ImportError:  # on a machine where nothing can be installed the words do without it
    tqdm = None

MINUTE = 60.0
T = TypeVar("T")


class Lines:
    """What a bar is without a terminal: a line a minute, and a last one where there was a line before.

    Takes `update`, `set_postfix_str` and `close`, as a tqdm does.
    """

    def __init__(
        self, file: Forgiving, last: bool, desc: str, total: int | None = None, initial: int = 0, **looks: str | bool
    ):
        self.file, self.last, self.total, self.n, self.initial = file, last, total, initial, initial
        self.looks: dict[str, Any] = {"prefix": desc, "ncols": 0, **looks}
        self.started = self.said = time.monotonic()

    def due(self) -> bool:
        """Whether the next update is shown."""
        return time.monotonic() - self.said >= MINUTE

    def update(self, n: int = 1) -> None:
        self.n += n
        if self.due():
            self._say()

    def set_postfix_str(self, text: str = "", refresh: bool = True) -> None:
        self.looks["postfix"] = text

    def clear(self) -> None: ...

    def close(self) -> None:
        if self.last and self.said > self.started:
            self._say()

    def __enter__(self) -> Lines:
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        if kind is None:
            self.close()

    def _say(self) -> None:
        self.said = time.monotonic()
        elapsed = self.said - self.started
        total: Any = self.total  # None where it is not known, which tqdm's types leave out
        if tqdm is None:
            words = f"{self.looks['prefix']}: {self.n} of {'?' if total is None else total}, {elapsed:.0f} s"
        else:
            words = tqdm.format_meter(self.n, total, elapsed, initial=self.initial, **self.looks)
        say(words, self.file)


def bar(desc: str, file: TextIO | None = None, forced: bool = False, last: bool = True, **options: Any) -> Any:
    """A tqdm bar on standard error or `file` where that is a terminal, or `forced`; else Lines, and without tqdm.

    Args:
        last: whether Lines end with one.
        options: tqdm's `total`, `initial`, `unit`, `unit_scale`, `bar_format`.
    """
    stream = Forgiving(sys.stderr if file is None else file)
    if tqdm is not None and (forced or stream.isatty()):
        # Told its height, tqdm asks no terminal: one that reports no size would show nothing.
        size: dict[str, Any] = {"ncols": _columns(stream), "nrows": 20}
        try:
            return tqdm(desc=desc, file=stream, leave=False, **size, **options)
        except Exception as error:  # a TQDM_ variable of the environment that tqdm cannot take, a thread too many
            say(f"gpunn: no progress bar ({type(error).__name__}: {error})", stream)
    options.pop("bar_format", None)
    return Lines(stream, last, desc, **options)


def over(items: Sequence[T], desc: str, unit: str) -> Iterator[T]:
    """The items one by one, counted on a bar as each is done with."""
    with bar(desc, total=len(items), unit=unit) as shown:
        for item in items:
            yield item
            shown.update(1)


def _columns(file: Forgiving) -> int:
    """Width of the terminal behind `file`; 100 where there is none or it does not say."""
    try:
        return os.get_terminal_size(file.fileno()).columns or 100
    except (OSError, ValueError, AttributeError):
        return 100
