"""`python -m bench ladder`: the convolutions that teach, one idea a rung, and what each idea changes.

Counts are the emulator's, registers the compiler's (kernels/resources.json), GFLOP/s those of the newest run on a card
in bench/results/.
"""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path

from bench import machine
from bench.kernels import suite
from bench.measure import Plan
from bench.output import report, results
from bench.output.columns import COUNTED
from bench.output.results import Run
from bench.rows import Row
from gpunn.cuda import source
from gpunn.cuda.variants import OPERATIONS
from gpunn.errors import UsageError
from gpunn.files import write_atomically

OPERATION = "conv2d.forward"
RUNGS = ("naive", "shared", "blocked", "tiled64", "tiled128")
COUNTED_CASE, CARD_CASE = "resnet20 stage3", "resnet50 stage2 3x3"
ARCHITECTURE = "90"
FIGURES = COUNTED[4:]  # those after case, pass, variant and precision


def main(argv: list[str]) -> int:
    """Print the table, or write it between the markers of a file."""
    parser = argparse.ArgumentParser(prog="python -m bench ladder", description=__doc__)
    parser.add_argument("--device", default="emulator", help="emulator, which alone counts")
    parser.add_argument("--write", metavar="FILE.md", help="put the table between its markers <!-- bench:ladder -->")
    parser.add_argument("--results", metavar="FOLDER", default=report.HERE / "results", help="runs on a card")
    args = parser.parse_args(argv)
    if args.device != "emulator":
        raise UsageError(f"ladder: --device {args.device} counts nothing; leave it at emulator")
    text = table(report.read(Path(args.results)))
    if args.write is None:
        print(text)
        return 0
    file = Path(args.write)
    old = file.read_text(encoding="utf-8")
    new = report.between(old, {"ladder": text}.get, str(file))
    write_atomically(file, lambda out: out.write(new.encode()))
    return 0


def table(runs: dict[str, Run]) -> str:
    """The rungs that there are, in Markdown, and what the figures are of."""
    card = next((run for run in runs.values() if run["suite"] == "conv2d" and run.get("gpu")), None)
    speeds = {row.variant: row.gflops for row in card["rows"] if _same(row)} if card else {}
    lines = []
    for row in counted():
        kernel, tile = OPERATIONS[OPERATION].named(row.variant).sources[0], re.search(r"\d+$", row.variant)
        what = idea(kernel) + (f", {tile[0]}x{tile[0]} tiles" if tile else "")
        speed = f"{speed:,.0f}" if (speed := speeds.get(row.variant)) else "-"
        lines.append([f"`{row.variant}`", what, *(one.text(row) for one in FIGURES), registers(kernel, tile), speed])
    head = ["rung", "the one idea", *(one.title for one in FIGURES), "registers", "GFLOP/s"]
    said = f"Counted by the emulator: {COUNTED_CASE}. Registers a thread: sm_{ARCHITECTURE}."
    if card:
        said += f"\nGFLOP/s: {CARD_CASE}, float32; {results.where(card)}"
    return f"{report.grid(head, lines)}\n\n{said}"


def _same(row: Row) -> bool:
    return (row.case, row.operation, row.precision) == (CARD_CASE, OPERATION, "fp32")


def counted() -> list[Row]:
    """A row a rung, verified and counted."""
    args = argparse.Namespace(suite="conv2d", device="emulator", cases=COUNTED_CASE, batch=None, passes="forward",
                              variants=None, precision=None, threads=machine.cores(), seed=0)  # fmt: skip
    plan = Plan(args, "emulator")
    suite.choose(plan)
    plan.variants = [name for name in RUNGS if name in plan.variants]
    found = {row.variant: row for row in suite.rows(plan)}
    for row in found.values():
        if row.status != "ok":
            raise UsageError(f"ladder: {row.variant} on {row.case}: {row.reason}")
    return [found[name] for name in plan.variants]


def idea(kernel: str) -> str:
    """What a kernel's title says after its name, up to the first full stop."""
    return source.read(kernel).title.partition(": ")[2].partition(". ")[0].rstrip(".")


def registers(kernel: str, tile: re.Match | None) -> str:
    """Of the float32 kernel with this tile."""
    found = json.loads((source.folder() / "resources.json").read_text(encoding="utf-8")).get(kernel, {})
    label = f"float32 BM={tile[0]}" if tile else "float32"
    return str(found[label][ARCHITECTURE][0]) if label in found else "-"
