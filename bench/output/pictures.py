"""Pictures of one run: a roofline with every kernel on it, and bars a case. Needs matplotlib."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from gpunn.errors import UsageError

INK, GRID = "#2b2f36", "#d9dde3"
COLOURS = ("#1f6feb", "#d9480f", "#2b8a3e", "#9c36b5", "#c92a2a", "#0b7285", "#a87900", "#5c5f66")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
RIVALS = {"torch": "#868e96", "compiled": "#adb5bd", "cupy": "#c3a995", "cudnn": "#b2c8a0"}
BAR = 0.19  # inches


def require() -> None:
    """Raise UsageError where matplotlib is missing."""
    try:
        import matplotlib.figure  # noqa: F401
    except ImportError:
        raise UsageError('pictures need matplotlib; install it with `pip install "gpunn[plot]"`') from None


def figures(document: dict[str, Any]) -> dict[str, Any]:
    """The pictures that a document has data for: "roofline", "bars"."""
    require()
    measured = [row for row in document["rows"] if row["status"] == "ok"]
    points = [row for row in measured if row.get("flops") and row.get("bytes") and "seconds" in row]
    found = {}
    if points and document.get("roofline"):
        found["roofline"] = _roofline(document, points)
    if measured and document["suite"] != "accuracy":  # which a table of a few rows says better
        found["bars"] = _bars(document, measured)
    return found


def write(document: dict[str, Any], path: str | Path) -> list[Path]:
    """The pictures as files: the first at `path`, the other beside it as NAME-bars."""
    target, written = Path(path), []
    target.parent.mkdir(parents=True, exist_ok=True)
    for number, (name, figure) in enumerate(figures(document).items()):
        file = target if number == 0 else target.with_name(f"{target.stem}-{name}{target.suffix or '.png'}")
        figure.savefig(file, dpi=150)
        written.append(file)
    return written


def svg(figure: Any) -> bytes:
    """A figure as SVG, its letters as outlines: the same on every machine."""
    import matplotlib as mpl

    stream = io.BytesIO()
    with mpl.rc_context({"svg.hashsalt": "gpunn"}):
        figure.savefig(stream, format="svg", metadata={"Date": None})
    return stream.getvalue()


def _figure(width: float, height: float) -> tuple[Any, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained", facecolor="white")
    axes = figure.add_subplot()
    axes.tick_params(colors=INK, labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_axisbelow(True)
    return figure, axes


def _title(document: dict[str, Any]) -> str:
    emulated = document["device"] == "emulator"
    place = "the emulator" if emulated else document.get("gpu") or document.get("processor") or document["device"]
    return f"{document['suite']} on {place}"


def _styles(names: list[str], styles: tuple[str, ...]) -> dict[str, str]:
    return {name: styles[i % len(styles)] for i, name in enumerate(dict.fromkeys(names))}


def _pass(row: dict[str, Any]) -> str:
    return row["operation"].rpartition(".")[2]


# ---------------------------------------------------------------- roofline
def _roofline(document: dict[str, Any], rows: list[dict[str, Any]]) -> Any:
    """Log-log: FLOP a byte against GFLOP/s, under the measured limits. Colour is the pass, the marker the variant."""
    import numpy as np

    figure, axes = _figure(9.0, 5.2)
    roof = document["roofline"]
    intensity = [row["flops"] / row["bytes"] for row in rows]
    ridge = [peak / roof["copy"] for peak in roof["peaks"].values()]
    x = np.geomspace(min(intensity) / 2, max(*intensity, *ridge) * 3, 200)
    for precision, peak in roof["peaks"].items():
        axes.plot(x, np.minimum(roof["copy"] * x, peak) / 1e9, color=INK, linewidth=1.2)
        text = f"{precision}: {peak / 1e9:,.0f} GFLOP/s"
        axes.annotate(text, (x[-1], peak / 1e9), ha="right", va="bottom", fontsize=8, color=INK)
    corner = (x[0], roof["copy"] * x[0] / 1e9)
    axes.annotate(f"copy: {roof['copy'] / 1e9:,.0f} GB/s", corner, xytext=(10, -4), textcoords="offset points",
                  fontsize=8, color=INK)  # fmt: skip
    colours, markers = _styles([_pass(r) for r in rows], COLOURS), _styles([r["variant"] for r in rows], MARKERS)
    for row, at in zip(rows, intensity, strict=True):
        axes.plot(at, row["gflops"], markers[row["variant"]], color=colours[_pass(row)], markersize=6, alpha=0.8,
                  markeredgecolor="white", markeredgewidth=0.5)  # fmt: skip
    for name, colour in colours.items():
        axes.plot([], [], "o", color=colour, label=name)
    for name, marker in markers.items():
        axes.plot([], [], marker, color="#868e96", label=f"variant {name}")
    axes.set(xscale="log", yscale="log", xlabel="arithmetic intensity, FLOP a byte", ylabel="GFLOP/s")
    axes.set_title(f"Roofline: {_title(document)}", fontsize=10, color=INK, loc="left")
    axes.grid(True, which="major", color=GRID, linewidth=0.6)
    axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False, fontsize=8)
    return figure


# ---------------------------------------------------------------- bars
def _bars(document: dict[str, Any], rows: list[dict[str, Any]]) -> Any:
    """A bar a variant and rival, in groups by case and pass; whiskers reach from the 10th to the 90th percentile."""
    counted = "counts" in rows[0]
    bars = [bar for row in rows for bar in (_counted_bar(row) if counted else _timed_bars(row))]
    figure, axes = _figure(9.0, 1.2 + BAR * (len(bars) + 0.6 * len({b["group"] for b in bars})))
    colours = {**_styles([b["name"] for b in bars if b["name"] not in RIVALS], COLOURS), **RIVALS}
    place, before, seen, labels = 0.0, None, set(), []
    for bar in bars:
        place += 1.6 if bar["group"] != before else 1.0
        if bar["group"] != before:
            labels.append((place, bar["group"]))
        before = bar["group"]
        label = bar["name"] if bar["name"] not in seen else None
        seen.add(bar["name"])
        axes.barh(place, bar["value"], 0.85, color=colours[bar["name"]], label=label, xerr=bar["reach"],
                  error_kw={"ecolor": INK, "elinewidth": 0.8, "capsize": 1.5})  # fmt: skip
    axes.set_yticks([at for at, _ in labels], [text for _, text in labels], fontsize=7)
    axes.set_ylim(place + 1, 0.5)
    what = "global sectors x 32 bytes over the bytes that must move (log)" if counted else "microseconds (log)"
    if counted and "traffic" not in rows[0]["counts"]:
        what = "global sectors of 32 bytes (log)"
    axes.set(xscale="log", xlabel=what)
    if counted:
        axes.set_xlim(left=0.8 * min(1.0, *(bar["value"] for bar in bars)))  # bars start near 1, the ideal
    axes.set_title(_title(document), fontsize=10, color=INK, loc="left")
    axes.grid(True, axis="x", which="major", color=GRID, linewidth=0.6)
    axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0), frameon=False, fontsize=8)
    return figure


def _group(row: dict[str, Any]) -> str:
    precision = "" if row["precision"] == "fp32" else f" {row['precision']}"
    return f"{row['case']}, {_pass(row)}{precision}"


def _counted_bar(row: dict[str, Any]) -> list[dict[str, Any]]:
    found = row["counts"]
    value = found.get("traffic", found["sectors"])
    return [{"group": _group(row), "name": row["variant"], "value": max(value, 1e-3), "reach": None}]


def _timed_bars(row: dict[str, Any]) -> list[dict[str, Any]]:
    sides = {row["variant"]: row["seconds"]}
    sides |= {name: other for name, other in row.get("against", {}).items() if "median" in other}
    return [
        {
            "group": _group(row),
            "name": name,
            "value": s["median"] * 1e6,
            "reach": [[(s["median"] - s["p10"]) * 1e6], [(s["p90"] - s["median"]) * 1e6]],
        }
        for name, s in sides.items()
    ]
