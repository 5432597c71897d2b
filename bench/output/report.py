"""`python -m bench report`: the tables between a README's markers, and one page of tables and plots."""

from __future__ import annotations

import argparse
import base64
import re
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from bench.output import columns, layered, lost, pictures, results, scaled
from bench.output.columns import Column
from bench.output.results import Run
from bench.rows import Row
from gpunn.errors import UsageError
from gpunn.files import write_atomically
from gpunn.pictures.canvas import png
from gpunn.text import escaped

HERE = Path(__file__).parents[1]
READMES = (HERE.parent / "README.md", HERE / "README.md")
OF_NETWORKS = ("cpu", "accuracy", "memory", "optim", "scaling")  # suites whose cases are networks
_MARK = re.compile(r"<!-- (/?)bench:([\w-]+) -->")


def main(argv: list[str]) -> int:
    """Write the page and the tables; says what it wrote."""
    parser = argparse.ArgumentParser(prog="python -m bench report", description=__doc__)
    parser.add_argument(
        "--results", metavar="FOLDER", type=Path, default=HERE / "results", help="default: bench/results"
    )
    folder = parser.parse_args(argv).results
    runs, target = read(folder), folder / "index.html"
    page = html(runs, plots=find_spec("matplotlib") is not None)
    write_atomically(target, lambda file: file.write(page.encode()))
    print(f"wrote {target}: {len(runs)} runs, {sum(len(run['rows']) for run in runs.values())} rows")
    for readme in READMES:
        text, said = fill(readme.read_text(encoding="utf-8"), runs, str(readme))
        write_atomically(readme, lambda file, text=text: file.write(text.encode()))
        print(*said, sep="\n", end="\n" if said else "")
    return 0


def read(folder: Path) -> dict[str, Run]:
    """The runs in a folder by file name, the newest first."""
    found = {path.stem: results.load(path) for path in sorted(folder.glob("*.json"))}
    if not found:
        raise UsageError(f"{folder}: no files of results; write one with `python -m bench SUITE --json FILE.json`")
    return dict(sorted(found.items(), key=lambda item: item[1]["date"], reverse=True))


def fill(text: str, runs: dict[str, Run], where: str) -> tuple[str, list[str]]:
    """The text with a table between each `<!-- bench:NAME -->` and `<!-- /bench:NAME -->`, and what was done.

    NAME is a suite, SUITE-DEVICE, or a file's name; the newest run of it counts.
    """
    named: dict[str, Run] = {}
    for stem, run in runs.items():
        for name in (stem, run["suite"], f"{run['suite']}-{run['device'].partition(':')[0]}"):
            named.setdefault(name, run)
    said: list[str] = []

    def table(name: str) -> str | None:
        if name not in named:
            said.append(f"{where}: no run for <!-- bench:{name} --> yet; left as it was")
            return None
        said.append(f"{where}: wrote the table of {name} ({named[name]['date']})")
        return markdown(named[name])

    return between(text, table, where), said


def between(text: str, table: Callable[[str], str | None], where: str) -> str:
    """The text with `table(NAME)` between the markers of each NAME; where it gives None, what was there stays."""
    parts, at = [], 0
    marks = list(_MARK.finditer(text))
    for start, end in zip(marks[::2], [*marks[1::2], None], strict=False):
        if start[1] or end is None or not end[1] or end[2] != start[2]:
            line = text.count("\n", 0, start.start()) + 1
            raise UsageError(f"{where}:{line}: {start[0]} has no <!-- /bench:{start[2]} --> after it")
        new = table(start[2])
        if new is not None:
            parts += [text[at : start.end()], f"\n{new}\n"]
            at = end.start()
    return "".join([*parts, text[at:]])


def markdown(run: Run) -> str:
    """A run as a table: of each case and pass the best variant, and where it was measured."""
    if run["suite"] == "scaling":
        return f"{scaled.markdown(run, grid)}\n\n{results.where(run)}"
    if run["suite"] == "layers":
        pairs, found = layered.layered(run["rows"]), layered.COLUMNS
        table = grid([one.title for one in found], [[one.text(pair) for one in found] for pair in pairs])
        return f"{table}\n\n{results.where(run)}"
    rows = [row for row in run["rows"] if row.status == "ok"]
    if run["suite"] == "kernels":
        rows = lost.most(rows)
    elif run["suite"] not in ("cpu", "accuracy", "memory"):
        best: dict[tuple[str, ...], Row] = {}
        for row in sorted(rows, key=lambda row: row.seconds.median if row.seconds else row.counts["sectors"]):
            best.setdefault((row.case, row.operation, row.precision), row)
        rows = [best.pop(key) for row in rows if (key := (row.case, row.operation, row.precision)) in best]
    found = columns.readme(run["suite"], rows)
    table = grid([one.title for one in found], [[one.text(row) for one in found] for row in rows])
    return f"{table}\n\n{results.where(run)}"


def grid(head: list[str], lines: list[list[str]]) -> str:
    """A table of Markdown."""
    first, *rest = (f"| {' | '.join(line)} |" for line in [head, *lines])
    return "\n".join([first, f"|{'---|' * len(head)}", *rest])


def html(runs: dict[str, Run], plots: bool = True) -> str:
    """The whole page."""
    template = (HERE / "output" / "page.html").read_text(encoding="utf-8")
    links = "\n".join(f'<a href="#{escaped(stem)}">{escaped(stem)}</a>' for stem in runs)
    sections = "\n".join(_section(stem, run, plots) for stem, run in runs.items())
    return template.replace("<!--nav-->", links).replace("<!--sections-->", sections)


def _section(stem: str, run: Run, plots: bool) -> str:
    parts = [f'<section id="{escaped(stem)}">', f"<h2>{escaped(_title(run))}</h2>"]
    parts.append(f'<p class="about">{escaped(_about(run))}</p>')
    drawn = {name: _figure(name, one, run) for name, one in (pictures.figures(run) if plots else {}).items()}
    parts.append(drawn.pop("roofline", ""))
    if measured := [row for row in run["rows"] if row.status == "ok"]:
        label = escaped(f"filter the rows of {stem}")
        parts.append(f'<input type="search" placeholder="filter rows" aria-label="{label}">')
        parts.append(f'<div class="wide">{_table(run["suite"], measured)}</div>')
    parts += [*drawn.values(), _not_measured([row for row in run["rows"] if row.status != "ok"]), "</section>"]
    return "\n".join(parts)


def _title(run: Run) -> str:
    """The suite and the device, with the networks of a suite that is of networks."""
    of = f" of {', '.join(dict.fromkeys(row.case for row in run['rows']))}" if run["suite"] in OF_NETWORKS else ""
    return f"{run['suite']}{of} on {run['device']}"


def _not_measured(rows: list[Row]) -> str:
    """The rows without a figure, a line for each reason."""
    reasons: dict[str, list[str]] = {}
    for row in rows:
        what = " ".join(filter(None, (row.case, row.pass_, row.variant, row.precision)))
        reasons.setdefault(f"{row.status}: {row.reason}", []).append(what)
    lines = "".join(f"<li>{escaped(why)} ({escaped('; '.join(which))})</li>\n" for why, which in reasons.items())
    return f"<details><summary>{len(rows)} not measured</summary><ul>\n{lines}</ul></details>" if rows else ""


def _about(run: Run) -> str:
    facts = [results.where(run)]
    if roof := run.get("roofline"):
        peaks = ", ".join(f"{name} {peak / 1e9:,.0f} GFLOP/s" for name, peak in roof["peaks"].items())
        facts.append(f"Measured limits: copy {roof['copy'] / 1e9:,.1f} GB/s, {peaks}.")
    said = {**({"command": run["command"]} if run.get("command") else {}), **run.get("rivals", {})}
    facts += [f"{name}: {text}." for name, text in said.items()]
    facts += ["Interrupted: not all rows are here."] if run.get("interrupted") else []
    return " ".join(facts)


def _figure(name: str, figure: Any, run: Run) -> str:
    data = base64.b64encode(png(figure)).decode()
    what = {"roofline": "roofline plot", "bars": "bars by case"}.get(name, name)
    alt = f"{what} of {run['suite']} on {run['device']}; the table below has its figures"
    return f'<figure><img src="data:image/png;base64,{data}" alt="{escaped(alt)}"></figure>'


def _table(suite: str, rows: list[Row]) -> str:
    found = columns.page(suite, rows)
    titles = [(" class=n" if one.form else "", escaped(one.title)) for one in found]
    head = "".join(f"<th{kind} scope=col><button>{title}</button></th>" for kind, title in titles)
    body = "\n".join(f"<tr>{''.join(_cell(row, column) for column in found)}</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>\n{body}\n</tbody></table>"


def _cell(row: Row, column: Column) -> str:
    if not column.form:
        return f"<td>{escaped(str(column.value(row) or ''))}</td>"
    found = column.value(row)
    return "<td class=n>-</td>" if found is None else f'<td class=n data-value="{found!r}">{column.text(row)}</td>'
