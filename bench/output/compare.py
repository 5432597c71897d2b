"""`python -m bench compare A.json B.json`: what moved between two runs by more than their own spread."""

from __future__ import annotations

import argparse
from dataclasses import dataclass

from bench.output import results
from bench.output.columns import micro
from bench.output.results import Run
from bench.rows import Row

COUNTED = ("sectors", "passes", "barriers", "launches")
SAME_PLACE = ("device", "gpu", "processor", "threads", "numpy", "torch", "cupy", "driver")


@dataclass(frozen=True)
class Move:
    """One row in both runs: B over A, and whether the two spreads lie apart (of counts: whether they differ)."""

    name: str
    what: str
    before: float
    after: float
    beyond: bool

    @property
    def ratio(self) -> float:
        return self.after / self.before if self.before else float("inf") if self.after else 1.0

    def line(self) -> str:
        show = micro if self.what == "us" else "{:,.0f}".format
        return f"{self.name:<78} {self.what:<9}{show(self.before):>11}{show(self.after):>11}{self.ratio:>8.2f}"


def _measured(run: Run) -> dict[tuple[str, ...], Row]:
    return {row.key: row for row in run["rows"] if row.status == "ok"}


def moves(a: Run, b: Run) -> list[Move]:
    """Every row that was measured in both."""
    before, found = _measured(a), []
    for key, new in _measured(b).items():
        old, name = before.get(key), " ".join(key[1:])
        if old and old.seconds and new.seconds:
            one, two = old.seconds, new.seconds
            found.append(Move(name, "us", one.median, two.median, two.p10 > one.p90 or two.p90 < one.p10))
        elif old and old.counts and new.counts:
            pairs = [(what, old.counts[what], new.counts[what]) for what in COUNTED]
            found += [Move(name, what, x, y, x != y) for what, x, y in pairs]
        elif old and old.kept_bytes and new.kept_bytes:
            found.append(Move(name, "kept", old.kept_bytes, new.kept_bytes, old.kept_bytes != new.kept_bytes))
    return found


def text(found: list[Move], a: Run, b: Run) -> str:
    """What moved, the largest first; what only one run has; where the two were not made on the same thing."""
    differ = [name for name in SAME_PLACE if a.get(name) != b.get(name)]
    lines = [f"not the same {name}: {a.get(name)} and {b.get(name)}" for name in differ]
    moved = sorted((m for m in found if m.beyond), key=lambda m: -abs(m.ratio - 1))
    if moved:
        lines += [f"{'moved beyond the spread':<78} {'':<9}{'A':>11}{'B':>11}{'B/A':>8}", *(m.line() for m in moved)]
    for name, one, other in (("A", a, b), ("B", b, a)):
        lines += [f"only in {name}: {' '.join(key[1:])}" for key in sorted(_measured(one).keys() - _measured(other))]
    lines.append(f"{len(found)} figures in both runs, {len(moved)} moved beyond the spread")
    return "\n".join(lines)


def main(argv: list[str]) -> int:
    """Print what moved between two files."""
    parser = argparse.ArgumentParser(prog="python -m bench compare", description=__doc__)
    parser.add_argument("files", nargs=2, metavar="FILE.json")
    a, b = map(results.load, parser.parse_args(argv).files)
    print(text(moves(a, b), a, b))
    return 0
