"""One run of a suite from the command line: options, head, rows as they come, files, exit status."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from importlib import import_module
from types import ModuleType

from bench import machine
from bench.clocks import CudaClock
from bench.kernels import rivals, roofline
from bench.measure import Plan
from bench.output import compare, lost, means, pictures, results
from bench.output.columns import Table, legend
from bench.output.results import Run
from gpunn import backend
from gpunn.errors import UsageError
from gpunn.pictures.canvas import new_figure
from gpunn.recipes.device import usable_device
from gpunn.recipes.options import positive_int

# The module with `choose` and `rows`, and what it measures.
SUITES = {
    "conv1d": ("kernels.suite", "1-d convolution, as one of two dimensions: the same variants"),
    "conv2d": ("kernels.suite", "convolution: forward and gradients of every variant"),
    "conv3d": ("kernels.suite", "3-d convolution: the same"),
    "pool2d": ("kernels.suite", "max, average and adaptive pooling, forward and backward"),
    "batchnorm": ("kernels.suite", "batch normalisation: training, inference, backward"),
    "elementwise": ("kernels.suite", "activations, sums, normalisation of rows, softmax, losses, dropout"),
    "gemm": ("kernels.suite", "matrix products"),
    "optim": ("training.optimisers", "one step of each optimiser over a model's parameters"),
    "recurrent": ("training.recurrent", "layers of Elman, LSTM and GRU over sequences, forward and with gradients"),
    "kernels": ("training.kernels", "every kernel of a training step beside its roof, and the time lost to it"),
    "step": ("training.step", "a whole training step of every model in gpunn.models"),
    "launch": ("kernels.launching", "host microseconds a call, eager and captured"),
}


def parser(suite: str) -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog=f"python -m bench {suite}", description=SUITES[suite][1])
    add = made.add_argument
    add("--cases", metavar="LIST", help="networks (lenet, resnet50), single cases, odd (the tests' shapes), or all")
    add("--pass", dest="passes", metavar="LIST", help="such as forward,grad_input (default: all)")
    add("--variants", metavar="LIST", help="kernel variants (default: all)")
    add("--precision", metavar="LIST", help="fp32, tf32, fp64, fp16, bf16, or all (default: fp32)")
    add("--device", help="cuda, cpu or emulator (default: cuda where there is one, else cpu)")
    known = ", ".join(rivals.MODULES)
    add("--against", "--rivals", metavar="LIST", help=f"rivals: {known}, or none (default: by device, never compiled)")
    add("--batch", type=positive_int, metavar="N", help="batch size of every case (default: the group's on cuda)")
    add("--repeats", type=positive_int, default=40, metavar="N", help="rounds a row, at most (default 40)")
    add("--budget", type=float, default=1.0, metavar="S", help="seconds a row, after at least 5 rounds (default 1)")
    add("--threads", type=positive_int, default=machine.cores(), metavar="N", help="CPU threads of all sides")
    add("--seed", type=int, default=0)
    add("--json", metavar="FILE", help="write the rows there")
    add("--plot", metavar="FILE.png", help="write the roofline there, and bars beside it as FILE-bars.png")
    add("--baseline", metavar="FILE.json", help="compare with this run")
    add("--fail-above", type=float, metavar="RATIO", help="exit 1 where a row takes this many times the baseline's")
    return made


def main(suite: str, argv: list[str]) -> int:
    """Run a suite: 0, or 1 where a row failed its check or the baseline, or 130 after Ctrl-C."""
    args = parser(suite).parse_args(argv)
    device = usable_device(args.device or ("cuda" if backend.is_available("cuda") else "cpu"))
    if device.type == "cuda":
        backend.require_cupy().cuda.Device(device.index).use()
    args.suite, args.device = suite, str(device)
    if args.fail_above is not None and not args.baseline:
        raise UsageError("--fail-above compares with a run; name it with --baseline FILE.json")
    baseline = results.load(args.baseline) if args.baseline else None
    if args.plot:
        new_figure(1, 1)  # raises, naming the remedy, where matplotlib is missing
    module = import_module(f"bench.{SUITES[suite][0]}")
    plan = Plan(args, device.type)
    module.choose(plan)
    names = [name for name in rivals.names_of(args.against, args.device) if name in module.RIVALS]
    if plan.kind == "cpu":
        machine.hold_threads(args.threads)
    run = results.begin(suite, args.device, args.threads, args.seed)
    run["rivals"] = plan.rivals = rivals.present(names, args.device)
    try:
        _measure(run, module, plan)
    except BaseException as error:
        run["interrupted"] = True
        print(f"\ninterrupted after {len(run['rows'])} rows", file=sys.stderr)
        if not isinstance(error, KeyboardInterrupt | BrokenPipeError):  # Ctrl-C, or a reader that has seen enough
            _finish(run, None, args)  # what was measured before is kept
            raise
    status = _finish(run, baseline, args)
    return 130 if run["interrupted"] else status


def _measure(run: Run, module: ModuleType, plan: Plan) -> None:
    """Head, roof and rows, printed as they come and kept in the run."""
    print(*_head(run), sep="\n")
    if plan.kind == "cuda":
        plan.clock = CudaClock()
    if module.ROOF and plan.kind != "emulator":  # whose time means nothing
        plan.roof = roof = roofline.measure(plan.kind, plan.precisions, plan.clock)
        run["roofline"] = vars(roof)
        peaks = ", ".join(f"{p} {v / 1e9:,.0f} GFLOP/s ({roof.how[p]})" for p, v in roof.peaks.items())
        print(f"measured: copy {roof.copy / 1e9:,.1f} GB/s; {peaks}")
    counts = plan.kind == "emulator"
    table = Table(counts, plan.present)
    print(f"\n{legend(counts)}\n\n{table.head()}")
    for row in module.rows(plan):
        run["rows"].append(row)
        for line in table.lines(row):
            print(line, flush=True)


def _head(run: Run) -> Iterator[str]:
    where = run.get("gpu") or run["processor"]
    yield f"bench {run['suite']} on {run['device']}: {where}, commit {run['commit']}"
    yield f"numpy {run['numpy']}, {run['threads']} threads, seed {run['seed']}, {run['date']}"
    yield from (f"{name}: {text}" for name, text in run["rivals"].items())
    load, cores = run["load_before"] or 0.0, run["cores"] or 1
    if load > cores / 2 and run["device"] != "emulator":
        yield f"load is {load} on {cores} cores: others are at work, and times are theirs too"


def _finish(run: Run, baseline: Run | None, args: argparse.Namespace) -> int:
    """Write the files, say what failed and how fast all was taken together; the exit status."""
    run["means"] = means.of(run["rows"])
    print(*means.lines(run["means"]), *lost.lines(run["rows"]), sep="\n")
    if args.json:
        results.save(run, args.json)
    if args.plot and run["rows"]:
        for path in pictures.write(run, args.plot):
            print(f"wrote {path}")
    others = [item for row in run["rows"] for item in row.against.items()]
    for remark in sorted({f"no figure of {name}: {other.reason}" for name, other in others if other.reason}):
        print(remark)
    wrong = [f"FAILED: {' '.join(row.key[1:])}: {row.reason}" for row in run["rows"] if row.status == "failed"]
    if baseline is not None:
        moved = compare.moves(baseline, run)
        print("\n" + compare.text(moved, baseline, run))
        worse = [m for m in moved if m.beyond and m.ratio > (args.fail_above or float("inf"))]
        wrong += [f"SLOWER than {args.fail_above} times the baseline: {m.name} {m.ratio:.2f}" for m in worse]
    for line in wrong:
        print(line)
    return int(bool(wrong))
