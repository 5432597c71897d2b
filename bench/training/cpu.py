"""`python -m bench cpu`: a training step on the CPU, ours beside PyTorch's, on the same threads in one run.

The losses of three steps from the same weights are compared first; then both sides are timed by turns. The ratio is
the median over pairs of neighbours in time, so that a slow moment of the machine falls out; "best" is the ratio of the
fastest steps.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import math
import os
import statistics
import sys
from dataclasses import asdict
from pathlib import Path

from bench import machine

NOISY = 1.6  # a 90th percentile that much over the 10th: something else was running


def main(argv: list[str]) -> int:
    """Measure, print, write; 1 where the two sides' losses differ."""
    args = _arguments(argv)
    pins = machine.without_pins(args.keep_pins)
    threads = args.threads
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "GPUNN_NUM_THREADS"):
        os.environ[name] = str(threads)  # before NumPy and PyTorch are imported
    about = machine.describe(threads, args.seed)
    about |= {"pins_kept": pins, "pins_taken_off": os.environ.get("GPUNN_BENCH_UNPINNED", "").split()}
    with_torch = importlib.util.find_spec("torch") is not None
    _print_head(about, with_torch)
    rows = []
    for name in args.networks:
        row = _measure(name, args, with_torch)
        if row is None:
            return 1
        rows.append(row)
        print(_line(row), flush=True)
    print(_summary(rows))
    if args.json:
        Path(args.json).parent.mkdir(parents=True, exist_ok=True)
        Path(args.json).write_text(json.dumps({**about, **_means(rows), "networks": rows}, indent=1) + "\n")
    return 0


def _arguments(argv: list[str]) -> argparse.Namespace:
    names = ["lenet5", "lenet_20_50_500", "alexnet_lite", "resnet20", "resnet18"]
    parser = argparse.ArgumentParser(prog="python -m bench cpu", description=__doc__)
    parser.add_argument("--json", metavar="FILE", help="write the figures there too")
    parser.add_argument("--repeats", type=int, default=40, help="pairs of steps a network (at most; default 40)")
    parser.add_argument("--budget", type=float, default=9, help="seconds a network, after at least 5 pairs (default 9)")
    parser.add_argument("--networks", nargs="+", choices=names, default=names, metavar="NAME", help=", ".join(names))
    parser.add_argument("--threads", type=int, default=machine.cores(), help="threads of both sides (default: all)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--no-memory", action="store_true", help="leave the memory measurement out")
    parser.add_argument(
        "--keep-pins", action="store_true",
        help=f"keep {' and '.join(machine.PINS)} if set; they slow NumPy's BLAS only, so they are taken off by default",
    )  # fmt: skip
    args = parser.parse_args(argv)
    if args.repeats < 1 or args.threads < 1:
        parser.error(f"--repeats {args.repeats} --threads {args.threads}: both must be at least 1")
    return args


def _measure(name: str, args: argparse.Namespace, with_torch: bool) -> dict | None:
    """One network's row, or None where the losses differ."""
    from bench import timing
    from bench.training import memory
    from bench.training.networks import NETWORKS, our_model, our_step, torch_model, torch_step

    network = NETWORKS[name]
    model = our_model(network, args.seed)
    steps = [our_step(network, model, args.seed)]
    if with_torch:
        import torch

        torch.set_num_threads(args.threads)
        steps.append(torch_step(network, torch_model(network, model.state_dict()), args.seed))
    losses = [[step() for _ in range(3)] for step in steps]
    if not _agree(losses):
        print(f"bench: error: {name}: the losses differ, so nothing was timed: ours {losses[0]}, torch {losses[-1]}")
        return None
    seconds = timing.by_turns(steps, args.repeats, args.budget)
    sides = dict(zip(("ours", "torch"), seconds, strict=False))
    row: dict = {"network": name, "batch": list(network.batch), "pairs": len(seconds[0]), "losses": losses}
    for side, values in sides.items():
        row[side] = asdict(timing.Spread.of(values)) | {"best": min(values)}
        row[side]["images_per_second"] = network.batch[0] / row[side]["median"]
    if with_torch:
        row["ratio"] = statistics.median(a / b for a, b in zip(*seconds, strict=True))
        row["ratio_of_best"] = min(seconds[0]) / min(seconds[1])
    if not args.no_memory:
        for side in sides:
            row[side]["peak_bytes"] = memory.peak(name, side, args.threads, args.seed)
        peaks = [row[side]["peak_bytes"] for side in sides]
        row["memory_ratio"] = peaks[0] / peaks[1] if with_torch and all(peaks) else None
    return row


def _agree(losses: list[list[float]]) -> bool:
    """Finite, and equal to 1e-3 over the three steps."""
    return all(
        math.isfinite(loss) and abs(loss - first) <= 1e-3 * max(1, abs(first))
        for side in losses
        for loss, first in zip(side, losses[0], strict=True)
    )


def _print_head(about: dict, with_torch: bool) -> None:
    print(f"{about['processor']}, {about['threads']} threads, load {about['load_before']}")
    print(f"numpy {about['numpy']} (BLAS kernels: {about['blas_kernels']}), torch {about['torch']}")
    if about["pins_taken_off"]:
        print(f"measured without {' '.join(about['pins_taken_off'])}, which hold NumPy's BLAS alone (see --keep-pins)")
    if about["pins_kept"]:
        print(f"measured with {' '.join(about['pins_kept'])}, which hold NumPy's BLAS alone")
    if not with_torch:
        print("torch is not installed: ours alone (pip install torch)")
    print("\nA training step: forward, loss, backward, SGD with momentum; float32; ms as median (p10-p90)\n")
    print(
        f"{'network':17}{'batch':>14}{'ours':>23}{'torch':>23}{'ratio':>7}{'best':>6}{'img/s':>8}{'torch':>8}"
        f"{'MB':>8}{'torch':>7}{'ratio':>7}"
    )


def _line(row: dict) -> str:
    def spread(side: str) -> str:
        if side not in row:
            return "-"
        return "{median:.1f} ({p10:.1f}-{p90:.1f})".format(**{k: v * 1e3 for k, v in row[side].items() if v})

    def number(value: float | None, form: str, scale: float = 1) -> str:
        return "-" if value is None else format(value * scale, form)

    ours, theirs = row["ours"], row.get("torch", {})
    cells = [
        f"{row['network']:17}{'x'.join(map(str, row['batch'])):>14}{spread('ours'):>23}{spread('torch'):>23}",
        f"{number(row.get('ratio'), '.2f'):>7}{number(row.get('ratio_of_best'), '.2f'):>6}",
        f"{number(ours['images_per_second'], '.0f'):>8}{number(theirs.get('images_per_second'), '.0f'):>8}",
        f"{number(ours.get('peak_bytes'), '.0f', 1e-6):>8}{number(theirs.get('peak_bytes'), '.0f', 1e-6):>7}",
        f"{number(row.get('memory_ratio'), '.2f'):>7}",
    ]
    return "".join(cells)


def _means(rows: list[dict]) -> dict[str, float]:
    """Geometric mean and worst of the ratios."""
    ratios = [row["ratio"] for row in rows if "ratio" in row]
    if not ratios:
        return {}
    best = statistics.geometric_mean(row["ratio_of_best"] for row in rows)
    return {
        "geometric_mean_ratio": statistics.geometric_mean(ratios),
        "worst_ratio": max(ratios),
        "geometric_mean_of_best": best,
        "noisy": float(any(_noisy(row) for row in rows)),
    }


def _summary(rows: list[dict]) -> str:
    means = _means(rows)
    if not means:
        return ""
    text = f"\ngeometric mean of the ratios {means['geometric_mean_ratio']:.2f}, worst {means['worst_ratio']:.2f}"
    text += f"; of the best times {means['geometric_mean_of_best']:.2f}"
    noisy = [row["network"] for row in rows if _noisy(row)]
    if noisy:
        text += (
            f"\nNOT QUIET: {', '.join(noisy)}: some steps took over {NOISY} times as long as others. PyTorch's threads "
            "wait for each\nother and lose more on a busy machine than ours: do not quote these ratios; run again."
        )
    return text


def _noisy(row: dict) -> bool:
    return any(row[side]["p90"] > NOISY * row[side]["p10"] for side in ("ours", "torch") if side in row)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
