"""`python -m bench SUITE [options]`: verify, then time. Without a suite: what there is."""

from __future__ import annotations

import difflib
import importlib
import sys

from bench import machine
from bench.run import SUITES, Suite, guarded
from bench.run import main as run

# Programs of their own, with their own options.
OTHERS = {
    "cpu": Suite(
        "a whole training step on the CPU beside PyTorch's: time and memory of five networks", "training.cpu"
    ),
    "accuracy": Suite(
        "a recipe trained here and in PyTorch, seed by seed: test accuracy and images a second", "training.accuracy"
    ),
    "compare": Suite("what moved between two files of results: compare A.json B.json", "output.compare"),
    "report": Suite("the tables of the READMEs and a page of plots, from bench/results/", "output.report"),
}


def main(argv: list[str]) -> int:
    name = argv[0] if argv else "--help"
    if name in SUITES:
        return guarded(run, name, argv[1:])
    if name in OTHERS:
        return guarded(importlib.import_module(f"bench.{OTHERS[name].module}").main, argv[1:])
    print("usage: python -m bench SUITE [options]; python -m bench SUITE --help\n\nsuites:")
    for suite, about in {**SUITES, **OTHERS}.items():
        print(f"  {suite:11}{about.what}")
    if name in ("-h", "--help"):
        return 0
    near = difflib.get_close_matches(name, [*SUITES, *OTHERS], 1, 0.4)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    print(f"\nbench: error: there is no suite {name!r}{hint}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    if sys.argv[1:2] and sys.argv[1] in SUITES:
        machine.without_pins(False)  # starts this program anew; the suite cpu has an option for it
    sys.exit(main(sys.argv[1:]))
