"""The columns of every table: what a heading shows of a row."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bench.rows import Row, find

SHORT = {"torch": "torch", "compiled": "compl", "cupy": "cupy", "cudnn": "cudnn"}


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
    """path: of the value in a row (`bench.rows.find`). form: of a number times scale; "" of words.

    width: in the terminal's tables. rival: `~` marks a ratio to it whose times spread too far.
    """

    title: str
    path: str
    form: str | Callable[[float], str] = ""
    scale: float = 1.0
    width: int = 0
    rival: str = ""

    def value(self, row: Row) -> Any:
        found = find(row, self.path)
        return found * self.scale if self.form and found is not None else found

    def text(self, row: Row) -> str:
        found = self.value(row)
        if found is None:
            return "-"
        shown = self.form(found) if callable(self.form) else format(found, self.form)
        return f"~{shown}" if self.rival and row.noisy(self.rival) else shown


def columns(form: str, *names: str, scale: float = 1.0) -> list[Column]:
    """Columns of one form: "counts.sectors" has the heading sectors, "gbs as GB/s" the one that it names."""
    parts = [name.partition(" as ") for name in names]
    return [Column(title or path.rpartition(".")[2].replace("_", " "), path, form, scale) for path, _, title in parts]


def words(*names: str) -> list[Column]:
    return columns("", *names)


# ---------------------------------------------------------------- the terminal's
TERMINAL_TIMES = [
    Column("median", "seconds.median", micro, width=9),
    Column("p10", "seconds.p10", micro, width=8),
    Column("p90", "seconds.p90", micro, width=8),
    Column("GFLOP/s", "gflops", rate, width=8),
    Column("GB/s", "gbs", rate, width=7),
    Column("roof", "roofline", ".0%", width=6),
    Column("by", "limit", width=5),
    Column("host", "host_seconds", micro, width=7),
]
TERMINAL_COUNTS = [
    Column("sectors", "counts.sectors", ",.0f", width=11),
    Column("ideal", "counts.ideal_sectors", ",.0f", width=11),
    Column("excess", "counts.sector_excess", ".2f", width=7),
    Column("traffic", "counts.traffic", ".1f", width=8),
    Column("conflict", "conflicts", ".2f", width=9),
    Column("barriers", "counts.barriers", ",.0f", width=9),
    Column("loads", "counts.global_loads", ",.0f", width=9),
    Column("stores", "counts.global_stores", ",.0f", width=8),
    Column("shared", "shared", ",.0f", width=10),
]


def terminal(counts: bool, rivals: list[str]) -> list[Column]:
    """What a run prints. `rivals`: speed over each, at most four."""
    speeds = [Column(SHORT[name], f"against.{name}.speed", times, width=6, rival=name) for name in rivals]
    return TERMINAL_COUNTS if counts else TERMINAL_TIMES + speeds


# ---------------------------------------------------------------- the page's
KERNELS = [
    *words("case", "shape", "pass_ as pass", "variant", "precision"),
    *columns(",.1f", "seconds.median as median, us", "seconds.p10", "seconds.p90", scale=1e6),
    *columns(",.3g", "gflops as GFLOP/s", "gbs as GB/s"),
    *columns(".1f", "roofline as % of roofline", scale=100.0),
    *words("bound"),
    *columns(",.1f", "host_seconds as host, us", scale=1e6),
    *columns(",.0f", "images_per_second as images/s"),
    *columns(",.0f", "peak_bytes as peak MB", scale=1e-6),
    *columns(",.0f", "counts.sectors", "counts.ideal_sectors as ideal"),
    *columns(".2f", "counts.sector_excess as excess"),
    *columns(".1f", "counts.traffic"),
    *columns(".2f", "conflicts as bank conflicts"),
    *columns(",.0f", "counts.barriers", "counts.global_loads", "counts.global_stores"),
    *columns(",.0f", "counts.shared_loads", "counts.shared_stores", "counts.launches"),
]
TRAININGS = [  # whose seconds are those of an epoch
    *words("case as network", "shape as recipe", "seed"),
    *columns(".2f", "test_accuracy as test accuracy, %", "against.torch.test_accuracy as torch's, %", scale=100.0),
    *columns(",.0f", "images_per_second as images/s", "against.torch.images_per_second as torch's images/s"),
    *columns(",.1f", "seconds.median as s an epoch", "against.torch.median as torch's s"),
]


def page(suite: str, rows: list[Row]) -> list[Column]:
    """Those columns for which any row has a value, and at the end why a row has none."""
    found = TRAININGS if suite == "accuracy" else KERNELS + [
        Column(f"{name} over ours", f"against.{name}.speed", ".2f") for name in rivals_of(rows)
    ]  # fmt: skip
    return [one for one in [*found, *words("remark")] if any(one.value(row) not in (None, "") for row in rows)]


def rivals_of(rows: list[Row]) -> list[str]:
    """The rivals that have a figure in any row."""
    return list(dict.fromkeys(name for row in rows for name, other in row.against.items() if other.speed is not None))


# ---------------------------------------------------------------- the READMEs'
NETWORKS = [
    *words("case as training step", "batch"),
    *columns(".1f", "seconds.median as ms", "against.torch.median as PyTorch, ms", scale=1e3),
    Column("ours / PyTorch", "against.torch.ratio", ".2f", rival="torch"),
    *columns(".0f", "peak_bytes as MB", "against.torch.peak_bytes as PyTorch, MB", scale=1e-6),
]
ACCURACIES = [
    *words("case as network", "shape as recipe", "seed"),
    *columns(".2%", "test_accuracy", "against.torch.test_accuracy as PyTorch's"),
    *columns("+.2f", "points"),
    *columns(",.0f", "images_per_second as images/s", "against.torch.images_per_second as PyTorch's"),
]
COUNTED = [
    *words("case", "pass_ as pass", "variant as best variant"),
    *columns(",.0f", "counts.sectors"),
    *columns(".2f", "counts.sector_excess as over the ideal", "conflicts as bank conflicts"),
    *columns(".1f", "barriers_a_block"),
]
TIMED = [
    *words("case", "pass_ as pass", "variant as best variant", "precision"),
    *columns(".1f", "seconds.median as us", scale=1e6),
    *columns(".3g", "gflops as GFLOP/s", "gbs as GB/s"),
    *columns(".0%", "roofline as of the roofline"),
    *words("bound as bound by"),
]


def readme(suite: str, rows: list[Row]) -> list[Column]:
    """The columns of a README's table for these rows."""
    if suite in ("cpu", "accuracy"):
        return NETWORKS if suite == "cpu" else ACCURACIES
    if rows and rows[0].counts:
        return COUNTED
    speeds = [Column(f"times {name}", f"against.{name}.speed", ".2f", rival=name) for name in rivals_of(rows)]
    return TIMED + speeds
