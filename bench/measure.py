"""What the suites share: what was asked for, and a row's measurement beside its rivals."""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from bench import clocks
from bench.clocks import Call, Clock, Sample
from bench.kernels.roofline import Roof
from bench.rows import Rival, Row
from gpunn import emulator
from gpunn.backend.loading import first_line
from gpunn.errors import unknown_name

SECTOR = 32  # bytes
TOTALS = {  # name: what is summed over all loads (False), stores (True) or both (None) of a memory space
    "sectors": ("sectors", "global", None),
    "ideal_sectors": ("compulsory", "global", None),
    "passes": ("wavefronts", "shared", None),
    "ideal_passes": ("phases", "shared", None),
    "global_loads": ("instructions", "global", False),
    "global_stores": ("instructions", "global", True),
    "shared_loads": ("instructions", "shared", False),
    "shared_stores": ("instructions", "shared", True),
}
Calls = dict[str, Call | str]  # of each rival: its call, or why there is none


class Unsupported(Exception):
    """A rival does not do this; its text says why."""


@dataclass
class Plan:
    """One run of a suite. A suite's `choose(plan)` fills in the names, its `rows(plan)` measures them.

    kind: "cpu", "cuda" or "emulator". rivals: what each says of itself, its version or "missing: ...".
    """

    args: argparse.Namespace
    kind: str
    cases: list[Any] = field(default_factory=list)
    passes: list[str] = field(default_factory=list)
    variants: list[str] = field(default_factory=list)
    precisions: list[str] = field(default_factory=lambda: ["fp32"])
    rivals: dict[str, str] = field(default_factory=dict)
    clock: Clock = field(default_factory=Clock)
    roof: Roof | None = None

    @property
    def device(self) -> str:
        return self.args.device

    @property
    def present(self) -> list[str]:
        """The rivals that are there."""
        return [name for name, said in self.rivals.items() if not said.startswith("missing")]

    def calls(self, make: Callable[[str], Call]) -> Calls:
        """`make(name)` for each rival that is there, or why it raised."""
        found: Calls = {}
        for name in self.present:
            try:
                found[name] = make(name)
            except Exception as error:  # whatever another program raises is its row's remark, not our end
                found[name] = str(error) if isinstance(error, Unsupported) else first_line(error)[:200]
        return found


def chosen(what: str, wanted: str | None, known: list[str]) -> list[str]:
    """The names in a comma-separated list, all of them where None. Raises UsageError with the nearest match."""
    names = [name for part in (wanted or "all").split(",") if (name := part.strip())]
    if names == ["all"]:
        return known
    for name in names:
        if name not in known:
            raise unknown_name(what, name, [*known, "all"])
    return names


def timed(row: Row, run: Call, others: Calls, plan: Plan, host: bool = False) -> Row:
    """The row with its times and its rivals', measured by turns. `host`: those of launching alone."""
    calls = {name: call for name, call in others.items() if callable(call)}
    samples = clocks.by_turns([run, *calls.values()], plan.clock, plan.args.repeats, plan.args.budget)
    ours, *theirs = [Sample(one.host or one.device) for one in samples] if host else samples
    median = ours.spread.median
    row = replace(
        row,
        seconds=ours.spread,
        host_seconds=statistics.median(ours.host) if ours.host else None,
        gflops=None if row.flops is None else row.flops / median / 1e9,
        gbs=None if row.bytes is None else row.bytes / median / 1e9,
        against={name: Rival(reason=why) for name, why in others.items() if isinstance(why, str)}
        | versus(ours, dict(zip(calls, theirs, strict=True))),
    )
    if plan.roof and row.flops is not None and row.bytes is not None and row.precision in plan.roof.peaks:
        floor, row.bound = plan.roof.floor(row.flops, row.bytes, row.precision)
        row.roofline = floor / median
    return row


def versus(ours: Sample, others: dict[str, Sample]) -> dict[str, Rival]:
    """Each rival's spread, and how many times as long it takes: the median of the pairs of neighbours in time."""
    return {
        name: Rival.of(other.spread, statistics.median(b / a for a, b in zip(ours.device, other.device, strict=True)))
        for name, other in others.items()
    }


def captured(row: Row, run: Call, plan: Plan, host: bool = False) -> Row:
    """The row of the same call as one CUDA graph, or why it cannot be captured."""
    row = replace(row, variant="captured", verified=None)
    try:
        with clocks.captured(run) as replay:
            return timed(row, replay, {}, plan, host)
    except Exception as error:
        return refused(row, f"not capturable: {first_line(error)}")


def counted(call: Call, bytes_: int) -> tuple[Any, dict[str, float]]:
    """The call's result and its counts over all launches. `bytes_` is what the operation must move at least.

    sectors, ideal_sectors: 32-byte sectors that warps asked for, and the fewest that hold the same bytes. traffic:
    sectors over the compulsory bytes, that is, how often caches must serve each byte. passes, ideal_passes: cycles of
    shared memory, and without bank conflicts. The rest are warp instructions by class.
    """
    with emulator.counting() as kernels:
        result = call()
    found: dict[str, float] = {
        name: sum(getattr(one, name) for one in kernels.values()) for name in ("launches", "blocks", "barriers")
    }
    found |= {name: sum(one.total(*what) for one in kernels.values()) for name, what in TOTALS.items()}
    found["sector_excess"] = found["sectors"] / max(1, found["ideal_sectors"])
    found["traffic"] = found["sectors"] * SECTOR / max(1, bytes_)
    found["conflict_ways"] = found["passes"] / max(1, found["ideal_passes"])
    return result, found


def refused(row: Row, reason: str | Exception, status: str = "refused") -> Row:
    """The row without figures: refused, skipped or failed, and why."""
    return replace(row, status=status, reason=reason if isinstance(reason, str) else first_line(reason))


def is_out_of_memory(error: Exception) -> bool:
    return isinstance(error, MemoryError) or type(error).__name__ in ("OutOfMemoryError", "OutOfMemory")


def within_memory(rows: Iterator[Row], row: Row, what: str) -> Iterator[Row]:
    """The rows, and where memory runs out before their end, `row` saying so."""
    try:
        yield from rows
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        yield refused(row, f"out of memory: {what} ({error})", "skipped")
