"""Runs as one HTML page that needs nothing from outside: tables that sort, plots as data URIs."""

from __future__ import annotations

import base64
from html import escape
from pathlib import Path
from typing import Any

from bench.output import columns, pictures, results
from bench.output.columns import Column
from bench.output.results import Run
from bench.rows import Row
from gpunn.pictures.canvas import png


def html(runs: dict[str, Run], plots: bool = True) -> str:
    """The whole page."""
    template = (Path(__file__).parent / "page.html").read_text(encoding="utf-8")
    links = "".join(f'<a href="#{escape(stem)}">{escape(stem)}</a>' for stem in runs)
    sections = "\n".join(_section(stem, run, plots) for stem, run in runs.items())
    return template.replace("<!--nav-->", links).replace("<!--sections-->", sections)


def _section(stem: str, run: Run, plots: bool) -> str:
    parts = [f'<section id="{escape(stem)}">', f"<h2>{escape(run['suite'])} on {escape(run['device'])}</h2>"]
    parts.append(f'<p class="about">{escape(_about(run))}</p>')
    drawn = {name: _figure(name, one, run) for name, one in (pictures.figures(run) if plots else {}).items()}
    parts.append(drawn.pop("roofline", ""))
    label = f"filter the rows of {stem}"
    parts.append(f'<input type="search" placeholder="filter rows" aria-label="{escape(label)}">')
    parts += [f'<div class="wide">{_table(run)}</div>', *drawn.values(), "</section>"]
    return "\n".join(parts)


def _about(run: Run) -> str:
    facts = [results.where(run)]
    if roof := run.get("roofline"):
        peaks = ", ".join(f"{name} {peak / 1e9:,.0f} GFLOP/s" for name, peak in roof["peaks"].items())
        facts.append(f"Measured limits: copy {roof['copy'] / 1e9:,.1f} GB/s, {peaks}.")
    facts += [f"{name}: {text}." for name, text in run.get("rivals", {}).items()]
    facts += ["Interrupted: not all rows are here."] if run.get("interrupted") else []
    return " ".join(facts)


def _figure(name: str, figure: Any, run: Run) -> str:
    data = base64.b64encode(png(figure)).decode()
    what = {"roofline": "roofline plot", "bars": "bars by case"}[name]
    alt = f"{what} of {run['suite']} on {run['device']}; the table below has its figures"
    return f'<figure><img src="data:image/png;base64,{data}" alt="{escape(alt)}"></figure>'


def _table(run: Run) -> str:
    found = columns.page(run["suite"], run["rows"])
    titles = [(" class=n" if one.form else "", escape(one.title)) for one in found]
    head = "".join(f"<th{kind} scope=col><button>{title}</button></th>" for kind, title in titles)
    body = "\n".join(f"<tr>{''.join(_cell(row, column) for column in found)}</tr>" for row in run["rows"])
    return f"<table><thead><tr>{head}</tr></thead><tbody>\n{body}\n</tbody></table>"


def _cell(row: Row, column: Column) -> str:
    found = column.value(row)
    if not column.form:
        return f"<td{' class=why' if column.title == 'remark' else ''}>{escape(str(found or ''))}</td>"
    return "<td class=n>-</td>" if found is None else f'<td class=n data-value="{found!r}">{column.text(row)}</td>'
