"""One run of a suite from the command line: options, head, rows as they come, files, exit status."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from bench import clocks, machine
from bench.kernels import rivals, roofline
from bench.output import compare, results
from bench.output.table import Table, legend
from gpunn import backend
from gpunn.errors import GpunnError, UsageError


@dataclass(frozen=True)
class Suite:
    """What it measures; the module with its Plan and rows; whether it is a family of kernels, which Plan must know."""

    what: str
    module: str
    kernels: bool = False


SUITES = {
    "conv2d": Suite("convolution: forward and gradients of every variant", "kernels.suite", True),
    "pool2d": Suite("max, average and adaptive pooling, forward and backward", "kernels.suite", True),
    "batchnorm": Suite("batch normalisation: training, inference, backward", "kernels.suite", True),
    "gemm": Suite("matrix products", "kernels.suite", True),
    "optim": Suite("one step of each optimiser over a model's parameters", "training.optimisers"),
    "step": Suite("a whole training step of every model in gpunn.models", "training.step"),
    "launch": Suite("host microseconds a call, eager and captured", "kernels.launching"),
}


def parser(suite: str) -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog=f"python -m bench {suite}", description=SUITES[suite].what)
    add = made.add_argument
    add("--cases", metavar="LIST", help="networks (lenet, resnet50), single cases, odd (the tests' shapes), or all")
    add("--pass", dest="passes", metavar="LIST", help="such as forward,grad_input (default: all)")
    add("--variants", metavar="LIST", help="kernel variants (default: all)")
    add("--precision", metavar="LIST", help="fp32, fp64, fp16, bf16, or all (default: fp32)")
    add("--device", help="cuda, cpu or emulator (default: cuda where there is one, else cpu)")
    add("--against", metavar="LIST", help=f"rivals: {', '.join(rivals.MODULES)}, or none (default: by device)")
    add("--batch", type=_positive, metavar="N", help="batch size of every case (default: the group's on cuda)")
    add("--repeats", type=_positive, default=40, metavar="N", help="rounds a row, at most (default 40)")
    add("--budget", type=float, default=1.0, metavar="S", help="seconds a row, after at least 5 rounds (default 1)")
    add("--threads", type=_positive, default=machine.cores(), metavar="N", help="CPU threads of all sides")
    add("--seed", type=int, default=0)
    add("--json", metavar="FILE", help="write the rows there")
    add("--plot", metavar="FILE.png", help="write the roofline there, and bars beside it as FILE-bars.png")
    add("--baseline", metavar="FILE.json", help="compare with this run")
    add("--fail-above", type=float, metavar="RATIO", help="exit 1 where a row takes this many times the baseline's")
    return made


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{value} is below 1")
    return value


def main(suite: str, argv: list[str]) -> int:
    """Run a suite: 0, or 1 where a row failed its check or the baseline, or 130 after Ctrl-C."""
    args = parser(suite).parse_args(argv)
    args.suite = suite
    args.device = _device(args.device)
    if args.fail_above is not None and not args.baseline:
        raise UsageError("--fail-above compares with a run; name it with --baseline FILE.json")
    baseline = results.load(args.baseline) if args.baseline else None
    if args.plot:
        import_module("bench.output.pictures").require()
    module = import_module(f"bench.{SUITES[suite].module}")
    plan = module.Plan(suite, args) if SUITES[suite].kernels else module.Plan(args)
    if plan.kind == "cpu":
        machine.hold_threads(args.threads)
    document = results.describe(args)
    document["rivals"] = rivals.present(plan.rivals, args.device)
    try:
        _measure(document, module, plan)
    except (KeyboardInterrupt, BrokenPipeError):  # Ctrl-C, or a reader like `head` that has seen enough
        document["interrupted"] = True
        print(f"\ninterrupted after {len(document['rows'])} rows", file=sys.stderr)
    status = _finish(document, baseline, args)
    return 130 if document["interrupted"] else status


def _device(name: str | None) -> str:
    if name is None:
        return "cuda" if backend.is_available("cuda") else "cpu"
    try:
        device = backend.device(name)
    except ValueError as error:
        raise UsageError(str(error)) from None
    if not backend.is_available(device):
        backend.set_default_device(device)  # raises, with the reason
    if device.type == "cuda":
        backend.require_cupy().cuda.Device(device.index).use()
    return str(device)


def _measure(document: dict[str, Any], module: Any, plan: Any) -> None:
    """Head, roof and rows, printed as they come and kept in the document."""
    args, counts = plan.args, plan.kind == "emulator"
    for line in _head(document):
        print(line)
    clock = clocks.clock_of(args.device)
    roof = None if args.suite in ("launch", "training.step") else roofline.measure(args.device, plan.precisions, clock)
    if roof is not None:
        document["roofline"] = roof.json()
        peaks = ", ".join(f"{p} {v / 1e9:,.0f} GFLOP/s ({roof.how[p]})" for p, v in roof.peaks.items())
        print(f"measured: copy {roof.copy / 1e9:,.1f} GB/s; {peaks}")
    present = [name for name, text in document["rivals"].items() if not text.startswith("missing")]
    table = Table(counts, present)
    print(f"\n{legend(counts)}\n\n{table.head()}")
    for row in module.rows(plan, clock, roof, document["rivals"]):
        document["rows"].append(row)
        for line in table.lines(row):
            print(line, flush=True)


def _head(document: dict[str, Any]) -> Iterator[str]:
    where = document.get("gpu") or document["processor"]
    yield f"bench {document['suite']} on {document['device']}: {where}, commit {document['commit']}"
    yield f"numpy {document['numpy']}, {document['threads']} threads, seed {document['seed']}, {document['date']}"
    for name, text in document["rivals"].items():
        yield f"{name}: {text}"
    load, cores = document["load_before"] or 0.0, document["cores"] or 1
    if load > cores / 2 and document["device"] != "emulator":
        yield f"load is {load} on {cores} cores: others are at work, and times are theirs too"


def _finish(document: dict[str, Any], baseline: dict[str, Any] | None, args: argparse.Namespace) -> int:
    """Write the files, say what failed; the exit status."""
    if args.json:
        results.save(document, args.json)
    if args.plot and document["rows"]:
        for path in import_module("bench.output.pictures").write(document, args.plot):
            print(f"wrote {path}")
    others = [item for row in document["rows"] for item in row.get("against", {}).items()]
    for remark in sorted({f"{name}: {other['reason']}" for name, other in others if "reason" in other}):
        print(f"no figure of {remark}")
    failed = [row for row in document["rows"] if row["status"] == "failed"]
    for row in failed:
        print(f"FAILED: {row['case']} {row['operation']} {row['variant']} {row['precision']}: {row['reason']}")
    status = 1 if failed else 0
    if baseline is not None:
        moved = compare.moves(baseline, document)
        print("\n" + compare.text(moved, baseline, document))
        limit = args.fail_above
        worse = [m for m in moved if limit is not None and m.beyond and m.ratio > limit]
        for move in worse:
            print(f"SLOWER than {limit} times the baseline: {move.name} {move.ratio:.2f}")
        status = 1 if worse else status
    return status


def guarded(run: Any, *args: Any) -> int:
    """`run`, its errors as one line and status 2."""
    try:
        return run(*args)
    except GpunnError as error:
        print(f"bench: error: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - for what the interpreter still flushes
        return 141
