"""`python -m bench cpu`: a training step on the CPU, ours beside PyTorch's, on the same threads in one run.

The losses of three steps from the same weights are compared first; then both sides are timed by turns. The ratio is
the median over pairs of neighbours in time, so that a slow moment of the machine falls out; "best" is the ratio of the
fastest steps.
"""

from __future__ import annotations

import argparse
import os
import statistics
from typing import Any

from bench import clocks, machine
from bench.output import results
from bench.output.columns import Column, aligned, columns
from bench.rows import NOISY
from bench.training import layers
from bench.training.memory import peak
from bench.training.networks import NETWORKS, differ, losses_of, our_model, our_step, torch_model, torch_step
from gpunn.recipes.options import positive_int
from gpunn.window import size_text

BUDGET = 9.0  # seconds
Figures = dict[str, Any]


def _milliseconds(side: Figures | None) -> str | None:
    """A side's median (p10-p90)."""
    if side is None:
        return None
    return "{:.1f} ({:.1f}-{:.1f})".format(*(1e3 * side[name] for name in ("median", "p10", "p90")))


TABLE = [
    Column("batch", lambda row: size_text(row["batch"]), width=14),
    Column("ours", lambda row: _milliseconds(row["ours"]), width=23),
    Column("torch", lambda row: _milliseconds(row.get("torch")), width=23),
    *columns(".2f", "ratio", "ratio_of_best as best", widths=(7, 6)),
    *columns(".0f", "ours.images_per_second as img/s", "torch.images_per_second as torch", widths=(8, 8)),
    *columns(".0f", "ours.peak_bytes as MB", "torch.peak_bytes as torch", scale=1e-6, widths=(8, 7)),
    *columns(".2f", "memory_ratio as ratio", widths=(7,)),
]


def main(argv: list[str]) -> int:
    """Measure, print, write; 1 where the two sides' losses differ."""
    args = _arguments(argv)
    pins = machine.without_pins(args.keep_pins)
    machine.hold_threads(args.threads)
    if args.layers is not None:
        return layers.run(args)
    args.budget = BUDGET if args.budget is None else args.budget
    about = machine.describe(args.threads, args.seed)
    about |= {"pins_kept": pins, "pins_taken_off": os.environ.get("GPUNN_BENCH_UNPINNED", "").split()}
    _print_head(about)
    rows: list[Figures] = []
    for name in args.networks:
        row = _measure(name, args)
        if row is None:
            return 1
        rows.append(row)
        print(f"{name:17}{aligned(TABLE, row)}", flush=True)
    print(_summary(rows))
    if args.json:
        results.write({**about, **_means(rows), "networks": rows}, args.json)
    return 0


def _arguments(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench cpu", description=__doc__)
    add, pins = parser.add_argument, " and ".join(machine.PINS)
    add("--json", metavar="FILE", help="write the figures there too")
    add("--repeats", type=positive_int, default=40, help="pairs of steps a network (at most; default 40)")
    about_budget = f"seconds a network or row, after at least 5 pairs (default {BUDGET}; of a layer {layers.SECONDS})"
    add("--budget", type=float, help=about_budget)
    about_layers = "single layers in place of networks: all, or those whose names begin so"
    add("--layers", nargs="*", metavar="NAME", help=about_layers)
    names = list(NETWORKS)
    add("--networks", nargs="+", choices=names, default=names, metavar="NAME", help=", ".join(names))
    add("--threads", type=positive_int, default=machine.cores(), help="threads of both sides (default: all)")
    add("--seed", type=int, default=0)
    add("--no-memory", action="store_true", help="leave the memory measurement out")
    about_pins = f"keep {pins} if set; they slow NumPy's BLAS only, so they are taken off by default"
    add("--keep-pins", action="store_true", help=about_pins)
    return parser.parse_args(argv)


def _measure(name: str, args: argparse.Namespace) -> Figures | None:
    """One network's figures, or None where the losses differ."""
    network = NETWORKS[name]
    model = our_model(network, args.seed)
    steps = {"ours": our_step(network, model, args.seed)}
    if machine.torch_or_none():
        steps["torch"] = torch_step(network, torch_model(network, model.named_arrays()), args.seed)
    losses = [losses_of(step, 3) for step in steps.values()]
    if any(differ(side, losses[0]) for side in losses):
        print(f"bench: error: {name}: the losses differ, so nothing was timed: ours {losses[0]}, torch {losses[-1]}")
        return None
    samples = clocks.by_turns(list(steps.values()), clocks.Clock(), args.repeats, args.budget)
    row: Figures = {"network": name, "batch": list(network.batch), "pairs": len(samples[0].device), "losses": losses}
    for side, sample in zip(steps, samples, strict=True):
        row[side] = {**vars(sample.spread), "best": min(sample.device)}
        row[side]["images_per_second"] = network.batch[0] / sample.spread.median
        if not args.no_memory:
            row[side]["peak_bytes"] = peak(network, side, args.threads, args.seed)
    if "torch" in steps:
        row["ratio"] = statistics.median(a / b for a, b in zip(*(one.device for one in samples), strict=True))
        row["ratio_of_best"] = row["ours"]["best"] / row["torch"]["best"]
        ours, theirs = (row[side].get("peak_bytes") for side in steps)
        if ours and theirs:
            row["memory_ratio"] = ours / theirs
    return row


def _print_head(about: Figures) -> None:
    print(f"{about['processor']}, {about['threads']} threads, load {about['load_before']}")
    print(f"numpy {about['numpy']} (BLAS kernels: {about['blas_kernels']}), torch {about['torch']}")
    for how, pins in (("with", about["pins_kept"]), ("without", about["pins_taken_off"])):
        if pins:
            print(f"measured {how} {' '.join(pins)}, which hold NumPy's BLAS alone (see --keep-pins)")
    if not about["torch"]:
        print("torch is not installed: ours alone (pip install torch)")
    print("\nA training step: forward, loss, backward, SGD with momentum; float32; ms as median (p10-p90)\n")
    print(f"{'network':17}{aligned(TABLE)}")


def _means(rows: list[Figures]) -> dict[str, float]:
    """Geometric mean and worst of the ratios."""
    ratios = [row["ratio"] for row in rows if "ratio" in row]
    if not ratios:
        return {}
    return {
        "geometric_mean_ratio": statistics.geometric_mean(ratios),
        "worst_ratio": max(ratios),
        "geometric_mean_of_best": statistics.geometric_mean(row["ratio_of_best"] for row in rows),
        "noisy": float(bool(_noisy(rows))),
    }


def _summary(rows: list[Figures]) -> str:
    means, noisy = _means(rows), _noisy(rows)
    if not means:
        return ""
    text = f"\ngeometric mean of the ratios {means['geometric_mean_ratio']:.2f}, worst {means['worst_ratio']:.2f}"
    text += f"; of the best times {means['geometric_mean_of_best']:.2f}"
    if noisy:
        text += (
            f"\nNOT QUIET: {', '.join(noisy)}: some steps took over {NOISY} times as long as others. PyTorch's threads "
            "wait for each\nother and lose more on a busy machine than ours: do not quote these ratios; run again."
        )
    return text


def _noisy(rows: list[Figures]) -> list[str]:
    """The networks of which a side's times spread too far."""
    sides = [(row["network"], row[side]) for row in rows for side in ("ours", "torch") if side in row]
    return list(dict.fromkeys(name for name, side in sides if side["p90"] > NOISY * side["p10"]))
