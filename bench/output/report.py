"""`python -m bench report`: the tables between a README's markers, and one page of tables and plots."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from bench.output import columns, page, results
from bench.output.results import Run
from bench.rows import Row
from gpunn.errors import UsageError

HERE = Path(__file__).parents[1]
READMES = (HERE.parent / "README.md", HERE / "README.md")
_MARK = re.compile(r"<!-- (/?)bench:([\w-]+) -->")


def main(argv: list[str]) -> int:
    """Write the page and the tables; says what it wrote."""
    parser = argparse.ArgumentParser(prog="python -m bench report", description=__doc__)
    parser.add_argument(
        "--results", metavar="FOLDER", type=Path, default=HERE / "results", help="default: bench/results"
    )
    folder = parser.parse_args(argv).results
    runs, target = read(folder), folder / "index.html"
    target.write_text(page.html(runs, plots=find_spec("matplotlib") is not None), encoding="utf-8")
    print(f"wrote {target}: {len(runs)} runs, {sum(len(run['rows']) for run in runs.values())} rows")
    for readme in READMES:
        text, said = fill(readme.read_text(encoding="utf-8"), runs, str(readme))
        readme.write_text(text, encoding="utf-8")
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
    rows = [row for row in run["rows"] if row.status == "ok"]
    if run["suite"] not in ("cpu", "accuracy"):
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
