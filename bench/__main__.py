"""`python -m bench SUITE [options]`: verify, then time. Without a suite: what there is."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable

from bench import machine, run
from gpunn.errors import GpunnError, suggestion

# Programs of their own, with their own options: the module, and what it does.
OTHERS = {
    "cpu": ("training.cpu", "a whole training step on the CPU beside PyTorch's: time and memory of five networks"),
    "accuracy": (
        "training.accuracy",
        "a recipe trained here and in PyTorch, seed by seed: accuracy and images a second",
    ),
    "memory": ("training.memory", "bytes that a training step keeps for backward and takes at most, by layer"),
    "scaling": ("training.scaling", "data parallel training on 2 to 4,096 ranks over a stated network, predicted"),
    "ladder": ("kernels.ladder", "the forward convolutions, one idea a rung: the table of kernels/README.md"),
    "profile": ("training.profiled", "the kernels of a step that lose most, once each, for ncu: profile FILE.json"),
    "model": ("kernels.model", "what the model of an H200 predicts beside what was measured, its constants fitted"),
    "compare": ("output.compare", "what moved between two files of results: compare A.json B.json"),
    "report": ("output.report", "the tables of the READMEs and a page of plots, from bench/results/"),
}


def main(argv: list[str]) -> int:
    name = argv[0] if argv else "--help"
    if name in run.SUITES:
        return guarded(run.main, name, argv[1:])
    if name in OTHERS:
        return guarded(importlib.import_module(f"bench.{OTHERS[name][0]}").main, argv[1:])
    print("usage: python -m bench SUITE [options]; python -m bench SUITE --help\n\nsuites:")
    for suite, (_, what) in {**run.SUITES, **OTHERS}.items():
        print(f"  {suite:12}{what}")
    if name in ("-h", "--help"):
        return 0
    hint = suggestion(name, [*run.SUITES, *OTHERS], 0.4)
    print(f"\nbench: error: there is no suite {name!r}{hint}", file=sys.stderr)
    return 2


def guarded(program: Callable[..., int], *args: object) -> int:
    """The exit status of `program`, its errors as one line and status 2."""
    try:
        return program(*args)
    except GpunnError as error:
        print(f"bench: error: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - for what the interpreter still flushes
        return 141


if __name__ == "__main__":
    if sys.argv[1:2] and sys.argv[1] in run.SUITES:
        machine.without_pins(False)  # starts this program anew; the suite cpu has an option for it
    sys.exit(main(sys.argv[1:]))
