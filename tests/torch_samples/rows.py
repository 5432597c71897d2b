"""Rows of what differs: which samples, and why; a row that a sample no longer needs fails."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.parity import torch

REFUSALS = (TypeError, ValueError, IndexError)
# "pad: mode is", Python's "pad() got an unexpected argument", and NumPy's limit of 64 dimensions.
OUR_WORDS = r"\w+: |[\w.]+\(\) got an unexpected|number of dimensions must be within"


@dataclass
class Sample:
    """One call: torch's name of the op or class, and torch's arguments."""

    name: str
    dtype: str
    given: tuple[Any, ...]
    options: dict[str, Any] = field(default_factory=dict)
    layout: str = "plain"

    @property
    def x(self) -> Any:
        return self.given[0]

    def __str__(self) -> str:
        shown = [*map(_shown, self.given), *(f"{k}={_shown(v)}" for k, v in self.options.items())]
        return f"{self.name}({', '.join(shown)}) [{self.dtype}, {self.layout}]"


def _shown(x: Any) -> str:
    if isinstance(x, torch().Tensor):
        return f"{str(x.dtype).removeprefix('torch.')}{tuple(x.shape)}"
    if isinstance(x, tuple | list):
        return f"[{', '.join(map(_shown, x))}]"
    return repr(x)


@dataclass
class Row:
    """Samples of `names` for which `when` holds: gpunn refuses them, or with refused=False gives something else."""

    names: Sequence[str]
    when: Callable[[Sample], bool]
    reason: str
    refused: bool = True
    family: bool = False  # of many ops, not each of which PyTorch's table calls so

    def covers(self, sample: Sample) -> bool:
        return sample.name in self.names and bool(self.when(sample))


class Verdicts:
    """Counts samples; collects those that differ although no row says so, or do not although one does."""

    def __init__(self, rows: Sequence[Row]):
        self.rows, self.used, self.wrong, self.count = rows, Counter[int](), list[str](), 0
        self.refused = False  # the last sample

    def row_of(self, sample: Sample) -> Row | None:
        row = next((row for row in self.rows if row.covers(sample)), None)
        if row is not None:
            self.used[id(row)] += 1
        return row

    def judge(self, sample: Sample, run: Callable[[], str]) -> None:
        """Run one sample; `run` gives what differs, in words, or "", and raises where gpunn refuses."""
        self.count += 1
        row, self.refused = self.row_of(sample), False
        try:
            found = run()
        except Exception as error:
            found = f"{type(error).__name__}: {error}"
            if row is not None and row.refused and isinstance(error, REFUSALS):
                self.refused = True
                return
        else:
            if found and row is not None and not row.refused:
                return
        if row is not None:
            found = f"the row {row.reason!r} is not needed: {found or 'equal'}"
        if found:
            self.wrong.append(f"{sample}: {found}")

    def check(self, name: str, everything: bool) -> None:
        """Fail with the samples that differ and, where all were run, with the rows that none needed."""
        unused = [row.reason for row in self.rows if name in row.names and not (self.used[id(row)] or row.family)]
        if everything and unused:
            self.wrong.append(f"{name}: no sample needs the row {unused[0]!r}; delete it")
        shown = "\n".join(self.wrong[:20])
        assert not self.wrong, f"{len(self.wrong)} of {self.count} samples differ from PyTorch:\n{shown}"


def refusal_of(call: Callable[[], object]) -> str:
    """What is wrong with how gpunn refuses a call that PyTorch refuses, in words, or "" where it does well."""
    try:
        call()
    except REFUSALS as error:
        return "" if re.match(OUR_WORDS, str(error)) else f"in whose words? {error}"
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return "it is taken"
