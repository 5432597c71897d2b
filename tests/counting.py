"""What a piece of code costs without a clock: launches, host reads and copies on the look-alike, calls, and blocks.

`device_work` counts what the look-alike of CuPy (tests/cupy_stand_in.py) is asked for. `python_calls` counts calls of
Python functions and the files of gpunn that they are in; what stands for a GPU is left out, with all that it calls.
`blocks_grown` counts what Python keeps of code that ran many times.
"""

from __future__ import annotations

import gc
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np

import gpunn
from tests import cupy_pointers


@dataclass
class Work:
    """Calls by name: kernels launched, reads that the host waits for, and copies from the host.

    A launch that is captured counts where it is captured, and each replay of a graph as one launch, "graph".
    """

    launches: Counter = field(default_factory=Counter)
    reads: Counter = field(default_factory=Counter)
    copies: Counter = field(default_factory=Counter)

    def __str__(self) -> str:
        return "; ".join(
            f"{sum(counts.values())} {name}: {', '.join(f'{n} {what}' for what, n in counts.most_common())}"
            for name, counts in vars(self).items()
        )


_counting: list[Work] = []


def launched(name: str) -> None:
    """The look-alike ran a kernel."""
    for work in _counting:
        work.launches[name] += 1


def read(name: str) -> None:
    """The look-alike waited for the device and copied to the host."""
    for work in _counting:
        work.reads[name] += 1


def copied(name: str) -> None:
    """The look-alike copied from the host."""
    for work in _counting:
        work.copies[name] += 1


def graph_nodes(graph: Any) -> list[str]:
    """The names of what a captured graph launches at each replay, in order: kernels, memsets and copies."""
    return [node.name for node in graph._nodes if node.name]


@contextmanager
def device_work() -> Iterator[Work]:
    """Counts what is asked of the look-alike inside the block."""
    work = Work()
    _counting.append(work)
    try:
        yield work
    finally:
        _counting.remove(work)


class _Dry(threading.local):
    on = False


_dry = _Dry()


def is_dry() -> bool:
    """Whether kernels are counted and not run."""
    return _dry.on


@contextmanager
def dry() -> Iterator[None]:
    """Inside, kernels of the look-alike are not run: what they write is 0.5, and integers 0. Counts stay the same."""
    _dry.on = True
    try:
        yield
    finally:
        _dry.on = False


_PACKAGE = Path(gpunn.__file__).parent
_TESTS = Path(__file__).parent
_LOOK_ALIKE = _TESTS.glob("cupy_*.py")
_INLINED = "<listcomp>", "<dictcomp>", "<setcomp>"  # before Python 3.12 each is a call
_STANDING_IN = tuple(map(str, (_PACKAGE / "emulator", *_LOOK_ALIKE, __file__, Path(np.__file__).parent)))


@dataclass
class Calls:
    """Python functions called, by file and name."""

    by_function: Counter = field(default_factory=Counter)

    @property
    def total(self) -> int:
        return sum(self.by_function.values())

    @property
    def files(self) -> set[str]:
        """Files of gpunn that were called into."""
        return {file for file, _ in self.by_function if file.startswith(str(_PACKAGE))}

    def __str__(self) -> str:
        named = (f"{n} {Path(file).name}:{name}" for (file, name), n in self.by_function.most_common())
        return f"{self.total} calls in {len(self.files)} files: {', '.join(named)}"


def python_calls(function: Callable[[], Any]) -> Calls:
    """Counts the calls that one call of `function` makes (its own is not one)."""
    calls, hidden = Calls(), 0

    def see(frame: FrameType, event: str, argument: Any) -> None:
        nonlocal hidden
        if event not in ("call", "return"):
            return
        code = frame.f_code
        if code.co_filename.startswith(_STANDING_IN):
            hidden += 1 if event == "call" else -1
        elif event == "call" and not hidden and code is not function.__code__ and code.co_name not in _INLINED:
            calls.by_function[code.co_filename, getattr(code, "co_qualname", code.co_name)] += 1

    sys.setprofile(see)
    try:
        function()
    finally:
        sys.setprofile(None)
    return calls


def blocks_grown(run: Callable[[int], Any], few: int, many: int) -> int:
    """Blocks that Python has more after `many` runs than before them, ``run(n)`` being n of them.

    Python's cache of attributes keeps each text that a name was looked up by, up to 4,096, and the look-alike
    references to dead arrays: none of gpunn's. What else comes and goes: of some looks, `few` runs apart, the lowest
    counts.
    """
    forget_names = getattr(sys, "_clear_internal_caches", None) or sys._clear_type_cache  # since 3.13, and before

    def blocks() -> int:
        run(few)
        gc.collect()
        forget_names()
        cupy_pointers.forget_dead()
        return sys.getallocatedblocks()

    gc.collect()
    gc.freeze()  # what other tests left is not looked through each time
    try:
        before = min(blocks() for _ in range(8))
        run(many)
        return min(blocks() for _ in range(8)) - before
    finally:
        gc.unfreeze()
