"""Pictures of one run: a roofline with every kernel on it, and bars a case. Needs matplotlib."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np

from bench.output import scaled
from bench.output.axes import COLOURS, GRID, INK, styled
from bench.output.results import Run, place
from bench.rows import Row
from gpunn.pictures.canvas import new_figure, save
from gpunn.text import drawable

MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
RIVALS = {"torch": "#868e96", "compiled": "#adb5bd", "graph": "#ced4da", "tf32": "#dee2e6", "cupy": "#c3a995"}
BAR = 0.19  # inches
Bar = tuple[str, str, float, Any]  # group, name, value, how far the whiskers reach


def figures(run: Run) -> dict[str, Any]:
    """The pictures that a run has data for: "roofline", "bars"; of scaling "timeline", "efficiency"."""
    if run["suite"] == "scaling":
        return scaled.figures(run)
    measured = [row for row in run["rows"] if row.status == "ok"]
    points = [row for row in measured if row.flops and row.bytes and row.seconds]
    found = {}
    if points and run.get("roofline"):
        found["roofline"] = _roofline(run, points)
    if measured and run["suite"] not in ("accuracy", "memory"):  # which a table of a few rows says better
        found["bars"] = _bars(run, measured)
    return found


def write(run: Run, path: str | Path) -> list[Path]:
    """The pictures as files: the first at `path`, the other beside it as NAME-bars, or what else it is."""
    target, found = Path(path), figures(run)
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = (target, *(target.with_name(f"{target.stem}-{name}.png") for name in [*found][1:]))
    return [save(figure, file) for figure, file in zip(found.values(), beside, strict=False)]


def _axes(height: float, title: str, run: Run) -> tuple[Any, Any]:
    figure = new_figure(9.0, height)
    return figure, styled(figure.add_subplot(), f"{title}{run['suite']} on {place(run)}")


def _styles(names: Iterable[str], styles: tuple[str, ...]) -> dict[str, str]:
    return dict(zip(dict.fromkeys(names), cycle(styles), strict=False))


def _roofline(run: Run, rows: list[Row]) -> Any:
    """Log-log: FLOP a byte against GFLOP/s, under the measured limits. Colour is the pass, the marker the variant."""
    figure, axes = _axes(5.2, "Roofline: ", run)
    copy, peaks = run["roofline"]["copy"], run["roofline"]["peaks"]
    intensity = [(row.flops or 0) / (row.bytes or 1) for row in rows]
    x = np.geomspace(min(intensity) / 2, max(*intensity, *(peak / copy for peak in peaks.values())) * 3, 200)
    for precision, peak in peaks.items():
        axes.plot(x, np.minimum(copy * x, peak) / 1e9, color=INK, linewidth=1.2)
        text = f"{drawable(precision)}: {peak / 1e9:,.0f} GFLOP/s"
        axes.annotate(text, (x[-1], peak / 1e9), ha="right", va="bottom", fontsize=8, color=INK)
    axes.annotate(f"copy: {copy / 1e9:,.0f} GB/s", (x[0], copy * x[0] / 1e9), xytext=(10, -4),
                  textcoords="offset points", fontsize=8, color=INK)  # fmt: skip
    colours, markers = _styles((r.pass_ for r in rows), COLOURS), _styles((r.variant for r in rows), MARKERS)
    for row, at in zip(rows, intensity, strict=True):
        axes.plot(at, row.gflops, markers[row.variant], color=colours[row.pass_], markersize=6, alpha=0.8,
                  markeredgecolor="white", markeredgewidth=0.5)  # fmt: skip
    for name, colour in colours.items():
        axes.plot([], [], "o", color=colour, label=drawable(name))
    for name, marker in markers.items():
        axes.plot([], [], marker, color="#868e96", label=f"variant {drawable(name)}")
    axes.set(xscale="log", yscale="log", xlabel="arithmetic intensity, FLOP a byte", ylabel="GFLOP/s")
    axes.grid(True, which="major", color=GRID, linewidth=0.6)
    axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False, fontsize=8)
    return figure


def _bars(run: Run, rows: list[Row]) -> Any:
    """A bar a variant and rival, in groups by case and pass; whiskers reach from the 10th to the 90th percentile."""
    counts = rows[0].counts
    bars = [bar for row in rows for bar in _bars_of(row)]
    figure, axes = _axes(1.2 + BAR * (len(bars) + 0.6 * len({group for group, *_ in bars})), "", run)
    colours = {**_styles((name for _, name, *_ in bars if name not in RIVALS), COLOURS), **RIVALS}
    groups = [group for group, *_ in bars]
    first = [group != before for group, before in zip(groups, [None, *groups], strict=False)]
    places = np.cumsum(np.where(first, 1.6, 1.0))
    for (_, name, value, reach), at in zip(bars, places, strict=True):
        axes.barh(at, value, 0.85, color=colours[name], xerr=reach,
                  error_kw={"ecolor": INK, "elinewidth": 0.8, "capsize": 1.5})  # fmt: skip
    for name in dict.fromkeys(name for _, name, *_ in bars):
        axes.plot([], [], "s", color=colours[name], label=drawable(name))
    axes.set_yticks(places[first], map(drawable, dict.fromkeys(groups)), fontsize=7)
    axes.set_ylim(places[-1] + 1, 0.5)
    axes.set(xscale="log", xlabel="microseconds (log)")
    if counts:
        what = "global sectors x 32 bytes over the bytes that must move (log)"
        axes.set_xlabel(what if "traffic" in counts else "global sectors of 32 bytes (log)")
        axes.set_xlim(left=0.8 * min(1.0, *(value for _, _, value, _ in bars)))  # bars start near 1, the ideal
    axes.grid(True, axis="x", which="major", color=GRID, linewidth=0.6)
    axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0), frameon=False, fontsize=8)
    return figure


def _bars_of(row: Row) -> list[Bar]:
    group = f"{row.case}, {row.pass_}" + ("" if row.precision == "fp32" else f" {row.precision}")
    if row.counts:
        value = row.counts.get("traffic", row.counts["sectors"])
        return [(group, row.variant, max(value, 1e-3), None)]
    sides = {row.variant: row.seconds, **row.against}
    return [
        (group, name, side.median * 1e6, [[(side.median - side.p10) * 1e6], [(side.p90 - side.median) * 1e6]])
        for name, side in sides.items()
        if side and side.median is not None
    ]
