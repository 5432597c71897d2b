"""Rows as text: aligned, 120 columns at most, a line over the rows of each case."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

WIDTH = 120
SHORT = {"torch": "torch", "compiled": "compl", "cupy": "cupy", "cudnn": "cudnn"}
COUNTS = (  # (title, key of counts, width, format)
    ("sectors", "sectors", 11, ",.0f"), ("ideal", "ideal_sectors", 11, ",.0f"), ("excess", "sector_excess", 7, ".2f"),
    ("traffic", "traffic", 8, ".1f"), ("conflict", "conflict_ways", 9, ".2f"), ("barriers", "barriers", 9, ",.0f"),
    ("loads", "global_loads", 9, ",.0f"), ("stores", "global_stores", 8, ",.0f"), ("shared", "shared", 10, ",.0f"),
)  # fmt: skip


NOISY = 1.6  # a 90th percentile that much over the 10th: something else was running


def noisy(row: dict[str, Any], rival: str | None = None) -> bool:
    """Whether a row's times, or those of it and a rival, spread too far for a ratio to be quoted."""
    sides = [row.get("seconds"), row.get("against", {}).get(rival) if rival else None]
    return any(s["p90"] > NOISY * s["p10"] for s in sides if s and "p90" in s)


def number(value: float | None, form: str = ".1f", scale: float = 1) -> str:
    return "-" if value is None else format(value * scale, form)


def micro(seconds: float | None) -> str:
    """Microseconds in at most seven figures."""
    if seconds is None:
        return "-"
    value = seconds * 1e6
    return f"{value:.2f}" if value < 100 else f"{value:.1f}" if value < 1e5 else f"{value:.0f}"


class Table:
    """Prints rows as they come. `rivals`: the columns of speed over each, at most four."""

    def __init__(self, counts: bool, rivals: list[str]):
        self.counts, self.rivals, self._case = counts, rivals, None

    def head(self) -> str:
        first = f"{'pass':<21} {'variant':<11} {'prec':<4}"
        if self.counts:
            return first + "".join(f"{title:>{width}}" for title, _, width, _ in COUNTS)
        timed = f"{'median':>9}{'p10':>8}{'p90':>8}{'GFLOP/s':>8}{'GB/s':>7}{'roof':>6}{'by':>5}{'host':>7}"
        return first + timed + "".join(f"{SHORT[name]:>6}" for name in self.rivals)

    def lines(self, row: dict[str, Any]) -> Iterator[str]:
        """The line of a row, after its case's line where the case is a new one."""
        if row["case"] != self._case:
            self._case = row["case"]
            yield f"\n{row['case']}: {row['shape']}"[: WIDTH + 1] if row.get("shape") else f"\n{row['case']}"
        first = f"{row['operation'].rpartition('.')[2]:<21} {row['variant']:<11} {row['precision']:<4}"
        if row["status"] != "ok":
            word = {"refused": "not taken", "skipped": "skipped", "failed": "FAILED"}[row["status"]]
            yield _cut(f"{first} {word}: {row['reason']}")
        elif self.counts:
            yield (first + self._counted(row)).rstrip()
        else:
            yield (first + self._timed(row)).rstrip()

    def _counted(self, row: dict[str, Any]) -> str:
        found = row["counts"]
        values = {**found, "shared": found["shared_loads"] + found["shared_stores"]}
        if not found["ideal_passes"]:
            values["conflict_ways"] = None
        return "".join(f"{number(values.get(name), form):>{width}}" for _, name, width, form in COUNTS)

    def _timed(self, row: dict[str, Any]) -> str:
        s = row["seconds"]
        bound = {"memory": "mem", "arithmetic": "math"}.get(row.get("bound", ""), "-")
        roof = "-" if row.get("roofline") is None else f"{row['roofline']:.0%}"
        text = f"{micro(s['median']):>9}{micro(s['p10']):>8}{micro(s['p90']):>8}{_rate(row.get('gflops')):>8}"
        text += f"{_rate(row.get('gbs')):>7}{roof:>6}{bound:>5}{micro(row.get('host_seconds')):>7}"
        return text + "".join(f"{self._speed(row, name):>6}" for name in self.rivals)

    def _speed(self, row: dict[str, Any], name: str) -> str:
        found = row.get("against", {}).get(name, {}).get("speed")
        if found is None:
            return "-"
        text = f"{found:.2f}" if found < 10 else f"{found:.1f}" if found < 100 else f"{found:.0f}"
        return f"~{text}" if noisy(row, name) else text


def _rate(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}" if value < 100 else f"{value:.0f}"


def _cut(line: str) -> str:
    return line if len(line) <= WIDTH else line[: WIDTH - 3] + "..."


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
