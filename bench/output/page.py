"""Runs as one HTML page that needs nothing from outside: tables that sort, plots as data URIs."""

from __future__ import annotations

import base64
from collections.abc import Callable
from html import escape
from pathlib import Path
from typing import Any

from bench.output import pictures

Cell = Callable[[dict[str, Any]], Any]
Column = tuple[str, Cell, str | None]  # title, value of a row, format of a number (None: words)


def _of(group: str, name: str, scale: float = 1.0) -> Cell:
    def value(row: dict[str, Any]) -> float | None:
        found = row.get(group, {}).get(name)
        return None if found is None else found * scale

    return value


def _key(name: str, scale: float = 1.0) -> Cell:
    def value(row: dict[str, Any]) -> Any:
        found = row.get(name)
        return found * scale if isinstance(found, (int, float)) else found

    return value


WORDS: list[Column] = [
    ("case", _key("case"), None),
    ("shape", _key("shape"), None),
    ("pass", lambda row: row["operation"].rpartition(".")[2], None),
    ("variant", _key("variant"), None),
    ("precision", _key("precision"), None),
]
TIMES: list[Column] = [
    ("median, us", _of("seconds", "median", 1e6), ",.1f"),
    ("p10", _of("seconds", "p10", 1e6), ",.1f"),
    ("p90", _of("seconds", "p90", 1e6), ",.1f"),
    ("GFLOP/s", _key("gflops"), ",.3g"),
    ("GB/s", _key("gbs"), ",.3g"),
    ("% of roofline", _key("roofline", 100.0), ".1f"),
    ("bound", _key("bound"), None),
    ("host, us", _key("host_seconds", 1e6), ",.1f"),
    ("images/s", _key("images_per_second"), ",.0f"),
    ("peak MB", _key("peak_bytes", 1e-6), ",.0f"),
]
COUNTS: list[Column] = [
    ("sectors", _of("counts", "sectors"), ",.0f"),
    ("ideal", _of("counts", "ideal_sectors"), ",.0f"),
    ("excess", _of("counts", "sector_excess"), ".2f"),
    ("traffic", _of("counts", "traffic"), ".1f"),
    ("bank conflicts", lambda row: _conflicts(row), ".2f"),
    ("barriers", _of("counts", "barriers"), ",.0f"),
    ("global loads", _of("counts", "global_loads"), ",.0f"),
    ("global stores", _of("counts", "global_stores"), ",.0f"),
    ("shared loads", _of("counts", "shared_loads"), ",.0f"),
    ("shared stores", _of("counts", "shared_stores"), ",.0f"),
    ("launches", _of("counts", "launches"), ",.0f"),
]
# A whole training: its seconds are those of an epoch.
TRAININGS: list[Column] = [
    ("network", _key("case"), None),
    ("recipe", _key("shape"), None),
    ("seed", lambda row: row["variant"].removeprefix("seed "), None),
    ("test accuracy, %", _key("test_accuracy", 100.0), ".2f"),
    ("torch's, %", lambda row: _torch(row, "test_accuracy", 100.0), ".2f"),
    ("images/s", _key("images_per_second"), ",.0f"),
    ("torch's images/s", lambda row: _torch(row, "images_per_second"), ",.0f"),
    ("s an epoch", _of("seconds", "median"), ",.1f"),
    ("torch's s", lambda row: _torch(row, "median"), ",.1f"),
]


def _torch(row: dict[str, Any], name: str, scale: float = 1.0) -> float | None:
    found = row.get("against", {}).get("torch", {}).get(name)
    return None if found is None else found * scale


def _conflicts(row: dict[str, Any]) -> float | None:
    found = row.get("counts")
    return found["conflict_ways"] if found and found["ideal_passes"] else None


def _rival(name: str) -> Column:
    def value(row: dict[str, Any]) -> Any:
        return row.get("against", {}).get(name, {}).get("speed")

    return f"{name} over ours", value, ".2f"


def columns(run: dict[str, Any]) -> list[Column]:
    """Those columns for which any row has a value, and at the end why a row has none."""
    rows = run["rows"]
    rivals = dict.fromkeys(name for row in rows for name, o in row.get("against", {}).items() if "speed" in o)
    times = [*WORDS, *TIMES, *COUNTS, *map(_rival, rivals)]
    found = [*TRAININGS] if run["suite"] == "accuracy" else times
    if any(row["status"] != "ok" for row in rows):
        found.append(("remark", lambda row: f"{row['status']}: {row['reason']}" if row["status"] != "ok" else "", None))
    return [column for column in found if any(column[1](row) not in (None, "") for row in rows)]


def html(documents: dict[str, dict[str, Any]], plots: bool = True) -> str:
    """The whole page."""
    template = (Path(__file__).parent / "page.html").read_text(encoding="utf-8")
    links = "".join(f'<a href="#{escape(stem)}">{escape(stem)}</a>' for stem in documents)
    sections = "\n".join(_section(stem, run, plots) for stem, run in documents.items())
    return template.replace("<!--nav-->", links).replace("<!--sections-->", sections)


def _section(stem: str, run: dict[str, Any], plots: bool) -> str:
    parts = [f'<section id="{escape(stem)}">', f"<h2>{escape(run['suite'])} on {escape(run['device'])}</h2>"]
    parts.append(f'<p class="about">{escape(_about(run))}</p>')
    drawn = {name: _figure(name, one, run) for name, one in (pictures.figures(run) if plots else {}).items()}
    parts.append(drawn.pop("roofline", ""))
    label = f"filter the rows of {stem}"
    parts.append(f'<input type="search" placeholder="filter rows" aria-label="{escape(label)}">')
    parts += [f'<div class="wide">{_table(run)}</div>', *drawn.values(), "</section>"]
    return "\n".join(parts)


def _about(run: dict[str, Any]) -> str:
    names = ["seed", "commit", "date"]
    if run["device"] != "emulator":  # whose figures are of the sources, not of a machine
        names = ["gpu", "processor", "threads", "numpy", "torch", "cupy", "driver", *names, "load_before"]
    facts = [f"{name.replace('_', ' ')} {run[name]}" for name in names if run.get(name) not in (None, "")]
    roof = run.get("roofline")
    if roof:
        peaks = ", ".join(f"{name} {peak / 1e9:,.0f} GFLOP/s" for name, peak in roof["peaks"].items())
        facts.append(f"measured limits: copy {roof['copy'] / 1e9:,.1f} GB/s, {peaks}")
    facts += [f"{name}: {text}" for name, text in run.get("rivals", {}).items()]
    if run.get("interrupted"):
        facts.append("interrupted: not all rows are here")
    return "; ".join(facts)


def _figure(name: str, figure: Any, run: dict[str, Any]) -> str:
    data = base64.b64encode(pictures.svg(figure)).decode()
    what = {"roofline": "roofline plot", "bars": "bars by case"}[name]
    alt = f"{what} of {run['suite']} on {run['device']}; the table below has its figures"
    return f'<figure><img src="data:image/svg+xml;base64,{data}" alt="{escape(alt)}"></figure>'


def _table(run: dict[str, Any]) -> str:
    found = columns(run)
    titles = [("" if form is None else " class=n", escape(title)) for title, _, form in found]
    head = "".join(f"<th{kind} scope=col><button>{title}</button></th>" for kind, title in titles)
    body = "\n".join(f"<tr>{''.join(_cell(row, column) for column in found)}</tr>" for row in run["rows"])
    return f"<table><thead><tr>{head}</tr></thead><tbody>\n{body}\n</tbody></table>"


def _cell(row: dict[str, Any], column: Column) -> str:
    title, value, form = column
    found = value(row)
    if form is None:
        kind = " class=why" if title == "remark" else ""
        return f"<td{kind}>{escape(str(found or ''))}</td>"
    if found is None:
        return "<td class=n>-</td>"
    return f'<td class=n data-value="{found!r}">{format(found, form)}</td>'
