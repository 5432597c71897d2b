"""What all cases of a suite come to: geometric means of rivals' times over ours, and the slowest against the median.

Of each case, pass and precision the fastest of our variants counts, whether it is the choice or not.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Iterator
from typing import Any

from bench.rows import Row

FEWEST = 2  # cases that make a mean


def best(rows: Iterable[Row]) -> dict[tuple[str, str], list[Row]]:
    """(operation, precision) -> the fastest row of each case."""
    found: dict[tuple[str, str, str], Row] = {}
    for row in rows:
        if row.status != "ok" or row.seconds is None:
            continue
        key = row.operation, row.precision, row.case
        kept = found.get(key)
        if kept is None or kept.seconds is None or row.seconds.median < kept.seconds.median:
            found[key] = row
    groups: dict[tuple[str, str], list[Row]] = {}
    for (operation, precision, _), row in found.items():
        groups.setdefault((operation, precision), []).append(row)
    return groups


def of(rows: Iterable[Row]) -> list[dict[str, Any]]:
    """A mean of each operation and precision that has several cases, as files keep it."""
    made = []
    for (operation, precision), group in best(rows).items():
        if len(group) < FEWEST or group[0].suite == "kernels":  # whose cases are a network's calls, none like another
            continue
        speeds: dict[str, list[float]] = {}
        for row in group:
            for name, rival in row.against.items():
                if rival.speed:
                    speeds.setdefault(name, []).append(rival.speed)
        entry: dict[str, Any] = {"operation": operation, "precision": precision, "cases": len(group)}
        entry["speeds"] = {name: statistics.geometric_mean(all_) for name, all_ in speeds.items()}
        rates = {row.case: row.gflops for row in group if row.gflops}
        if rates:
            slowest = min(rates, key=rates.__getitem__)
            entry |= {"slowest": rates[slowest] / statistics.median(rates.values()), "slowest_case": slowest}
        made.append(entry)
    return made


def lines(found: list[dict[str, Any]]) -> Iterator[str]:
    """``23 cases, conv2d.forward bf16: 0.91 times torch's speed; the slowest at 0.40 of ...``."""
    for one in found:
        ratios = [f"{speed:.2f} times {name}'s speed" for name, speed in one["speeds"].items()]
        if "slowest" in one:
            ratios.append(f"the slowest at {one['slowest']:.2f} of the median's GFLOP/s ({one['slowest_case']})")
        if ratios:
            yield f"{one['cases']} cases, {one['operation']} {one['precision']}: {'; '.join(ratios)}"
