"""`python -m bench report`: the tables between a README's markers, and one page of tables and plots."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import Any

from bench.output import page, results
from bench.output.table import noisy
from bench.training.accuracy import points
from gpunn.errors import UsageError

HERE = Path(__file__).parents[1]
READMES = (HERE.parent / "README.md", HERE / "README.md")
_MARK = re.compile(r"<!-- (/?)bench:([\w-]+) -->")


def main(argv: list[str]) -> int:
    """Write the page and the tables; says what it wrote."""
    parser = argparse.ArgumentParser(prog="python -m bench report", description=__doc__)
    add = parser.add_argument
    add("--results", metavar="FOLDER", default=HERE / "results", help="the files of results (default: bench/results)")
    add("--page", metavar="FILE.html", help="the page (default: index.html in the folder of results)")
    add("--readme", metavar="FILE.md", action="append", help="with markers (default: README.md and bench/README.md)")
    add("--no-plots", action="store_true", help="leave the pictures out, and with them the need for matplotlib")
    args = parser.parse_args(argv)
    documents = read(Path(args.results))
    target = Path(args.page or Path(args.results) / "index.html")
    target.write_text(page.html(documents, plots=not args.no_plots), encoding="utf-8")
    print(f"wrote {target}: {len(documents)} runs, {sum(len(d['rows']) for d in documents.values())} rows")
    for readme in [Path(name) for name in args.readme] if args.readme else READMES:
        old = readme.read_text(encoding="utf-8")
        new, said = fill(old, documents, str(readme))
        if new != old:
            readme.write_text(new, encoding="utf-8")
        for line in said:
            print(line)
    return 0


def read(folder: Path) -> dict[str, dict[str, Any]]:
    """The runs in a folder by file name, the newest first."""
    found = {path.stem: results.load(path) for path in sorted(folder.glob("*.json"))}
    if not found:
        raise UsageError(f"{folder}: no files of results; write one with `python -m bench SUITE --json FILE.json`")
    return dict(sorted(found.items(), key=lambda item: item[1]["date"], reverse=True))


def fill(text: str, documents: dict[str, dict[str, Any]], where: str) -> tuple[str, list[str]]:
    """The text with a table between each `<!-- bench:NAME -->` and `<!-- /bench:NAME -->`, and what was done.

    NAME is a suite, SUITE-DEVICE, or a file's name; the newest run of it counts.
    """
    parts, said, at = [], [], 0
    marks = list(_MARK.finditer(text))
    for start, end in zip(marks[::2], [*marks[1::2], None], strict=False):
        if start[1] or end is None or not end[1] or end[2] != start[2]:
            line = text.count("\n", 0, start.start()) + 1
            raise UsageError(f"{where}:{line}: {start[0]} has no <!-- /bench:{start[2]} --> after it")
        run = _named(start[2], documents)
        if run is None:
            said.append(f"{where}: no run for {start[0]} yet; left as it was")
            continue
        parts += [text[at : start.end()], f"\n{markdown(run)}\n"]
        at = end.start()
        said.append(f"{where}: wrote the table of {start[2]} ({run['date']})")
    return "".join([*parts, text[at:]]), said


def _named(name: str, documents: dict[str, dict[str, Any]]) -> dict[str, Any] | None:
    for stem, run in documents.items():
        if name in (stem, run["suite"], f"{run['suite']}-{run['device'].partition(':')[0]}"):
            return run
    return None


# ---------------------------------------------------------------- markdown
def markdown(run: dict[str, Any]) -> str:
    """A run as a table: of each case and pass the best variant, and where it was measured."""
    good = [row for row in run["rows"] if row["status"] == "ok"]
    if run["suite"] == "cpu":
        head, lines = _networks(good)
    elif run["suite"] == "accuracy":
        head, lines = _accuracies(good)
    elif good and "counts" in good[0]:
        head, lines = _counted(good)
    else:
        head, lines = _timed(good)
    rule = "|" + "---|" * len(head)
    body = "\n".join(f"| {' | '.join(line)} |" for line in [head, *lines]).replace("\n", f"\n{rule}\n", 1)
    return f"{body}\n\n{where(run)}"


def where(run: dict[str, Any]) -> str:
    """The machine, versions, commit and date in one sentence."""
    made = f"seed {run['seed']}; commit {run['commit']}, {run['date'][:10]}"
    if run["device"] == "emulator":
        return f"Emulated: figures of the sources, not of a machine; {made}."
    versions = [f"{name} {run[name]}" for name in ("numpy", "torch", "cupy", "driver") if run.get(name)]
    place = run.get("gpu") or run.get("processor") or run["device"]
    threads = "" if run.get("gpu") else f", {run.get('threads')} threads"
    load = run.get("load_before")
    busy = f", load {load}" if load and run["device"] == "cpu" else ""
    return f"{place}{threads}{busy}; {', '.join(versions)}; {made}."


def _ms(seconds: float) -> str:
    return f"{seconds * 1e3:.1f}"


def _networks(rows: list[dict[str, Any]]) -> tuple[list[str], list[list[str]]]:
    head = ["training step", "batch", "ms", "PyTorch, ms", "ours / PyTorch", "MB", "PyTorch, MB"]
    lines = []
    for row in rows:
        other = row.get("against", {}).get("torch", {})
        sizes = [f"{size / 1e6:.0f}" if size else "-" for size in (row.get("peak_bytes"), other.get("peak_bytes"))]
        mark = "~" if noisy(row, "torch") else ""
        theirs = [_ms(other["median"]), f"{mark}{1 / other['speed']:.2f}"] if other else ["-", "-"]
        batch = row["shape"].removeprefix("batch ")
        lines.append([row["case"], batch, _ms(row["seconds"]["median"]), *theirs, *sizes])
    return head, lines


def _accuracies(rows: list[dict[str, Any]]) -> tuple[list[str], list[list[str]]]:
    head = ["network", "recipe", "seed", "test accuracy", "PyTorch's", "points", "images/s", "PyTorch's"]
    lines = []
    for row in rows:
        other = row["against"].get("torch")
        theirs = [f"{other['test_accuracy']:.2%}", f"{points([row]):+.2f}"] if other else ["-", "-"]
        speeds = [f"{side['images_per_second']:,.0f}" if side else "-" for side in (row, other)]
        seed = row["variant"].removeprefix("seed ")
        lines.append([row["case"], row["shape"], seed, f"{row['test_accuracy']:.2%}", *theirs, *speeds])
    return head, lines


def _best(rows: list[dict[str, Any]], cost: Any) -> list[dict[str, Any]]:
    """Of each case, pass and precision the row of least cost, in order."""
    best: dict[tuple, dict[str, Any]] = {}
    for row in rows:
        name = (row["case"], row["operation"], row["precision"])
        if name not in best or cost(row) < cost(best[name]):
            best[name] = row
    return list(best.values())


def _timed(rows: list[dict[str, Any]]) -> tuple[list[str], list[list[str]]]:
    rows = _best(rows, lambda row: row["seconds"]["median"])
    names = list(dict.fromkeys(name for row in rows for name, o in row.get("against", {}).items() if "speed" in o))
    head = ["case", "pass", "best variant", "precision", "us", "GFLOP/s", "GB/s", "of the roofline", "bound by"]
    lines = []
    for row in rows:
        roof = f"{row['roofline']:.0%}" if row.get("roofline") is not None else "-"
        rates = ["-" if row.get(k) is None else f"{row[k]:.3g}" for k in ("gflops", "gbs")]
        speeds = [_speed(row, name) for name in names]
        lines.append([row["case"], row["operation"].rpartition(".")[2], row["variant"], row["precision"],
                      f"{row['seconds']['median'] * 1e6:.1f}", *rates, roof, row.get("bound", "-"),
                      *speeds])  # fmt: skip
    return [*head, *(f"times {name}" for name in names)], lines


def _speed(row: dict[str, Any], name: str) -> str:
    """A rival's time over ours, marked where the times spread too far to quote it."""
    speed = row.get("against", {}).get(name, {}).get("speed")
    return "-" if speed is None else f"{'~' if noisy(row, name) else ''}{speed:.2f}"


def _counted(rows: list[dict[str, Any]]) -> tuple[list[str], list[list[str]]]:
    rows = _best(rows, lambda row: row["counts"]["sectors"])
    head = ["case", "pass", "best variant", "sectors", "over the ideal", "bank conflicts", "barriers a block"]
    lines = []
    for row in rows:
        found = row["counts"]
        ways = f"{found['conflict_ways']:.2f}" if found["ideal_passes"] else "-"
        lines.append([row["case"], row["operation"].rpartition(".")[2], row["variant"], f"{found['sectors']:,.0f}",
                      f"{found['sector_excess']:.2f}", ways, f"{found['barriers'] / found['blocks']:.1f}"])  # fmt: skip
    return head, lines
