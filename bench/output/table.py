"""Rows as text: aligned, 120 columns at most, a line over the rows of each case."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from bench.output.columns import Column, terminal
from bench.rows import Row

WIDTH = 120
WORDS = {"refused": "not taken", "skipped": "skipped", "failed": "FAILED"}


def aligned(columns: list[Column], row: Any = None) -> str:
    """The headings, or a row's cells."""
    return "".join((one.title if row is None else one.text(row)).rjust(one.width) for one in columns)


class Table:
    """Prints rows as they come. `rivals`: the columns of speed over each, at most four."""

    def __init__(self, counts: bool, rivals: list[str]):
        self.columns, self._case = terminal(counts, rivals), ""

    def head(self) -> str:
        return f"{'pass':<21} {'variant':<11} {'prec':<4}{aligned(self.columns)}"

    def lines(self, row: Row) -> Iterator[str]:
        """The line of a row, after its case's line where the case is a new one."""
        if row.case != self._case:
            self._case = row.case
            yield f"\n{row.case}: {row.shape}"[: WIDTH + 1] if row.shape else f"\n{row.case}"
        first = f"{row.pass_:<21} {row.variant:<11} {row.precision:<4}"
        if row.status == "ok":
            yield (first + aligned(self.columns, row)).rstrip()
        else:
            line = f"{first} {WORDS[row.status]}: {row.reason}"
            yield line if len(line) <= WIDTH else line[: WIDTH - 3] + "..."


def legend(counts: bool) -> str:
    """What the columns mean, in words."""
    if counts:
        return (
            "sectors of 32 bytes that warps asked for, and the fewest that hold the same bytes; traffic: sectors over\n"
            "the bytes that must move at least; conflict: passes over conflict-free passes of shared memory; loads,\n"
            "stores: warp instructions on global memory; shared: those on shared memory"
        )
    return (
        "microseconds: median, 10th and 90th percentile; host: launching alone; GFLOP/s and GB/s of the work that the\n"
        "kernels' headers state; roof: floor over median, the floor set by memory or math as measured at the start;\n"
        "a rival's column: its time over ours, median of pairs (above 1: ours is faster; ~: one of the two spread wide)"
    )
