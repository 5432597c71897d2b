"""The columns of every table: what a heading shows of a row."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from bench.rows import Row, find

Form = str | Callable[[float], str]


def micro(seconds: float) -> str:
    """Microseconds in at most seven figures."""
    value = seconds * 1e6
    return f"{value:.2f}" if value < 100 else f"{value:.1f}" if value < 1e5 else f"{value:.0f}"


def rate(value: float) -> str:
    return f"{value:.3g}" if value < 100 else f"{value:.0f}"


def times(value: float) -> str:
    """A ratio in three figures."""
    return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 100 else f"{value:.0f}"


@dataclass(frozen=True)
class Column:
    """source: of the value, a path in the row (`bench.rows.find`). form: of a number times scale; "" of words.

    width: in the terminal's tables. rival: `~` marks a ratio to it whose times spread too far.
    """

    title: str
    source: str | Callable[[Any], Any]
    form: Form = ""
    scale: float = 1.0
    width: int = 0
    rival: str = ""

    def value(self, row: Any) -> Any:
        found = find(row, self.source) if isinstance(self.source, str) else self.source(row)
        return found * self.scale if self.form and found is not None else found

    def text(self, row: Any) -> str:
        found = self.value(row)
        if found is None:
            return "-"
        shown = self.form(found) if callable(self.form) else format(found, self.form)
        return f"~{shown}" if self.rival and row.noisy(self.rival) else shown


def columns(form: Form, *names: str, scale: float = 1.0, widths: tuple[int, ...] = ()) -> list[Column]:
    """Columns of one form: "counts.sectors" has the heading sectors, "gbs as GB/s" the one that it names."""
    found = []
    for name, width in zip_longest(names, widths, fillvalue=0):
        path, _, title = str(name).partition(" as ")
        found.append(Column(title or path.rpartition(".")[2].replace("_", " ").strip(), path, form, scale, width))
    return found


def words(*names: str) -> list[Column]:
    return columns("", *names)


def of_counts(formula: Callable[[dict[str, float]], float | None]) -> Callable[[Row], float | None]:
    return lambda row: formula(row.counts) if row.counts else None


conflicts = of_counts(lambda counts: counts["conflict_ways"] if counts["ideal_passes"] else None)


def points_of(row: Row) -> float | None:
    """By how many points the test accuracy lies above PyTorch's."""
    ours, theirs = row.test_accuracy, find(row, "against.torch.test_accuracy")
    return None if ours is None or theirs is None else 100 * (ours - theirs)


def rivals_of(rows: list[Row]) -> list[str]:
    """The rivals that have a figure in any row."""
    return list(dict.fromkeys(name for row in rows for name, other in row.against.items() if other.speed is not None))


# ---------------------------------------------------------------- the terminal's
TERMINAL_TIMES = [
    *columns(micro, "seconds.median", "seconds.p10", "seconds.p90", widths=(9, 8, 8)),
    *columns(rate, "gflops as GFLOP/s", "gbs as GB/s", widths=(8, 7)),
    *columns(".0%", "roofline as roof", widths=(6,)),
    Column("by", lambda row: {"memory": "mem", "arithmetic": "math"}.get(row.bound or ""), width=5),
    *columns(micro, "host_seconds as host", widths=(7,)),
]
TERMINAL_COUNTS = [
    *columns(",.0f", "counts.sectors", "counts.ideal_sectors as ideal", widths=(11, 11)),
    *columns(".2f", "counts.sector_excess as excess", widths=(7,)),
    *columns(".1f", "counts.traffic", widths=(8,)),
    Column("conflict", conflicts, ".2f", width=9),
    *columns(",.0f", "counts.barriers", "counts.global_loads as loads", "counts.global_stores as stores",
             widths=(9, 9, 8)),
    Column("shared", of_counts(lambda counts: counts["shared_loads"] + counts["shared_stores"]), ",.0f", width=10),
]  # fmt: skip


def terminal(counts: bool, rivals: list[str]) -> list[Column]:
    """What a run prints. `rivals`: speed over each, at most four."""
    short = {name: name.replace("iled", "l") for name in rivals}
    speeds = [Column(short[name], f"against.{name}.speed", times, width=6, rival=name) for name in rivals]
    return TERMINAL_COUNTS if counts else TERMINAL_TIMES + speeds


# ---------------------------------------------------------------- the page's
SEED = Column("seed", lambda row: row.variant.removeprefix("seed "))
KERNELS = [
    *words("case", "shape", "pass_", "variant", "precision"),
    *columns(",.1f", "seconds.median as median, us", "seconds.p10", "seconds.p90", scale=1e6),
    *columns(",.3g", "gflops as GFLOP/s", "gbs as GB/s"),
    *columns(".1f", "roofline as % of roofline", scale=100.0),
    *words("bound"),
    *columns(",.1f", "host_seconds as host, us", scale=1e6),
    *columns(",.0f", "images_per_second as images/s", "calls as calls a step"),
    *columns(",.1f", "predicted_seconds as model, us", "lost_seconds as lost a step, us", scale=1e6),
    *columns(",.2f", "kept_bytes as kept MB", "against.torch.kept_bytes as torch's kept MB", scale=1e-6),
    *columns(",.0f", "peak_bytes as peak MB", scale=1e-6),
    *columns(",.0f", "counts.sectors", "counts.ideal_sectors as ideal"),
    *columns(".2f", "counts.sector_excess as excess"),
    *columns(".1f", "counts.traffic"),
    Column("bank conflicts", conflicts, ".2f"),
    *columns(",.0f", "counts.barriers", "counts.global_loads", "counts.global_stores"),
    *columns(",.0f", "counts.shared_loads", "counts.shared_stores", "counts.launches"),
]
TRAININGS = [  # whose seconds are those of an epoch
    *words("case as network", "shape as recipe"),
    SEED,
    *columns(".2f", "test_accuracy as test accuracy, %", "against.torch.test_accuracy as torch's, %", scale=100.0),
    *columns(",.0f", "images_per_second as images/s", "against.torch.images_per_second as torch's images/s"),
    *columns(",.1f", "seconds.median as s an epoch", "against.torch.median as torch's s"),
]


def page(suite: str, rows: list[Row]) -> list[Column]:
    """Those columns for which any row has a value."""
    speeds = [Column(f"{name} over ours", f"against.{name}.speed", ".2f") for name in rivals_of(rows)]
    found = TRAININGS if suite == "accuracy" else KERNELS + speeds
    return [one for one in found if any(one.value(row) not in (None, "") for row in rows)]


# ---------------------------------------------------------------- the READMEs'
NETWORKS = [
    *words("case as training step"),
    Column("batch", lambda row: row.shape.removeprefix("batch ")),
    *columns(".1f", "seconds.median as ms", "against.torch.median as PyTorch, ms", scale=1e3),
    Column("ours / PyTorch", "against.torch.speed", lambda speed: f"{1 / speed:.2f}", rival="torch"),
    *columns(".0f", "peak_bytes as MB", "against.torch.peak_bytes as PyTorch, MB", scale=1e-6),
]
STEPS = [
    *words("case as training step"),
    Column("batch", lambda row: row.shape.removeprefix("batch ")),
    *words("precision", "variant as best variant"),
    *columns(".2f", "seconds.median as ms", scale=1e3),
]
LOSSES = [  # of a step's kernels
    *words("case as network and problem", "operation", "variant", "precision"),
    *columns(".0f", "calls as calls a step"),
    *columns(".1f", "seconds.median as us a call", "predicted_seconds as the model's us", scale=1e6),
    *columns(".0%", "roofline as of the roofline"),
    *words("bound as bound by"),
    *columns(".0f", "lost_seconds as lost a step, us", scale=1e6),
]
MEMORIES = [
    *words("case as network"),
    Column("batch", lambda row: row.shape.removeprefix("batch ")),
    *columns(",.2f", "kept_bytes as kept, MB", "against.torch.kept_bytes as PyTorch's", scale=1e-6),
    *columns(",.0f", "peak_bytes as peak, MB", "against.torch.peak_bytes as PyTorch's", scale=1e-6),
]
ACCURACIES = [
    *words("case as network", "shape as recipe"),
    SEED,
    *columns(".2%", "test_accuracy", "against.torch.test_accuracy as PyTorch's"),
    Column("points", points_of, "+.2f"),
    *columns(",.0f", "images_per_second as images/s", "against.torch.images_per_second as PyTorch's"),
]
COUNTED = [
    *words("case", "pass_", "variant as best variant", "precision"),
    *columns(",.0f", "counts.sectors"),
    *columns(".2f", "counts.sector_excess as over the ideal"),
    Column("bank conflicts", conflicts, ".2f"),
    Column("barriers a block", of_counts(lambda counts: counts["barriers"] / counts["blocks"]), ".1f"),
]
TIMED = [
    *words("case", "pass_", "variant as best variant", "precision"),
    *columns(".1f", "seconds.median as us", scale=1e6),
    *columns(".3g", "gflops as GFLOP/s", "gbs as GB/s"),
    *columns(".0%", "roofline as of the roofline"),
    *words("bound as bound by"),
]


def _beside(rival: str) -> list[Column]:
    """A rival's milliseconds of a step, and ours over them."""
    title = {"torch": "PyTorch, ms", "compiled": "compiled, ms", "graph": "its graph, ms", "tf32": "its TF32 graph, ms"}
    (time,) = columns(".2f", f"against.{rival}.median as {title.get(rival, rival)}", scale=1e3)
    over = Column("ours / it", f"against.{rival}.speed", lambda speed: f"{1 / speed:.2f}", rival=rival)
    return [time, over]


def readme(suite: str, rows: list[Row]) -> list[Column]:
    """The columns of a README's table for these rows."""
    speeds = [Column(f"times {name}", f"against.{name}.speed", ".2f", rival=name) for name in rivals_of(rows)]
    usual = COUNTED if rows and rows[0].counts else TIMED + speeds
    if suite == "step" and usual is not COUNTED:
        return STEPS + [one for name in rivals_of(rows) for one in _beside(name)]
    return {"cpu": NETWORKS, "kernels": LOSSES, "accuracy": ACCURACIES, "memory": MEMORIES}.get(suite, usual)


# ---------------------------------------------------------------- as text
WIDTH, NAMES = 120, 33  # of a line; of pass and variant, of which either may be long
WORDS = {"refused": "not taken", "skipped": "skipped", "failed": "FAILED"}


def aligned(shown: list[Column], row: Any = None) -> str:
    """The headings, or a row's cells."""
    return "".join((one.title if row is None else one.text(row)).rjust(one.width) for one in shown)


def _named(pass_: str, variant: str, precision: str) -> str:
    return f"{pass_} {variant:>{NAMES - len(pass_) - 1}} {precision:<4}"


class Table:
    """Prints rows as they come. `rivals`: the columns of speed over each, at most four."""

    def __init__(self, counts: bool, rivals: list[str]):
        self.columns, self._case = terminal(counts, rivals), ""

    def head(self) -> str:
        return f"{_named('pass', 'variant', 'prec')}{aligned(self.columns)}"

    def lines(self, row: Row) -> Iterator[str]:
        """The line of a row, after its case's line where the case is a new one."""
        if row.case != self._case:
            self._case = row.case
            yield f"\n{row.case}: {row.shape}"[: WIDTH + 1] if row.shape else f"\n{row.case}"
        first = _named(row.pass_, row.variant, row.precision)
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
