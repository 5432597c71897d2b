"""Which kernels of a training step lose the most time to their roof: what the suite `kernels` ends with."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from bench.output.columns import Column, aligned, columns
from bench.rows import Row

FEW = 5
TABLE = [
    *columns(",.1f", "lost_seconds as lost, us", scale=1e6, widths=(10,)),
    *columns(".0f", "calls", widths=(7,)),
    *columns(",.1f", "seconds.median as us a call", "predicted_seconds as model", scale=1e6, widths=(12, 9)),
    *columns(".0%", "roofline as roof", widths=(6,)),
    Column("by", lambda row: {"memory": "mem", "arithmetic": "math"}.get(row.bound or ""), width=6),
]


def ranked(rows: Iterable[Row]) -> dict[tuple[str, str], list[Row]]:
    """(network, precision) -> the rows of its step, the most time lost first."""
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        if row.status == "ok" and row.lost_seconds is not None:
            groups.setdefault((row.case.partition(" ")[0], row.precision), []).append(row)
    return {key: sorted(group, key=lambda row: -(row.lost_seconds or 0.0)) for key, group in groups.items()}


def most(rows: Iterable[Row]) -> list[Row]:
    """The FEW of each step that lose most."""
    return [row for group in ranked(rows).values() for row in group[:FEW]]


def lines(rows: Iterable[Row]) -> Iterator[str]:
    """A table a step: the FEW that lose most, and what all its kernels take and lose."""
    for (network, precision), group in ranked(rows).items():
        taken = sum((row.calls or 0) * row.seconds.median for row in group if row.seconds)
        lost = sum(row.lost_seconds or 0.0 for row in group)
        yield f"\n{network} {precision}: kernels take {1e3 * taken:.2f} ms a step, {1e3 * lost:.2f} ms over their roofs"
        yield f"{aligned(TABLE)}  kernel"
        for row in group[:FEW]:
            yield f"{aligned(TABLE, row)}  {row.operation} {row.variant}: {row.case.partition(' ')[2]}"
