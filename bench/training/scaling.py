"""`python -m bench scaling`: what data parallel training makes of many ranks over a stated network.

A step of one rank is measured, and when each gradient is ready in it; a simulation puts the buckets on the network.
Beside it stand 1, 2 and 4 ranks of this machine, one thread each, and what the simulation says of them.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import subprocess
import sys
from dataclasses import asdict
from typing import Any

from bench import machine
from bench.measure import chosen
from bench.output import pictures, results, scaled
from bench.output.columns import Column, aligned
from bench.rows import Row, Spread
from bench.training.networks import BATCHES, Network
from bench.training.scaling_measure import profile
from bench.training.scaling_model import (
    ALGORITHMS,
    INTERCONNECTS,
    Interconnect,
    Profile,
    buckets,
    fitted,
    predicted,
    simulated,
)
from gpunn import models
from gpunn.cpu.threads import set_thread_count
from gpunn.dist.launch_starts import find_mpiexec, mpiexec_options
from gpunn.errors import DistError, UsageError
from gpunn.pictures.canvas import new_figure
from gpunn.recipes.options import positive_float, positive_int
from gpunn.text import one_line
from gpunn.window import size_text

LIMIT = 900  # seconds that ranks may take
WAYS = ("alone", "together", "parallel")  # of scaling_ranks.turns
Found = dict[str, Any]


def main(argv: list[str]) -> int:
    """Measure, predict, print, write."""
    args = _arguments(argv)
    if args.plot:
        new_figure(1, 1)  # raises, naming the remedy, where matplotlib is missing
    set_thread_count(1)
    run = results.begin("scaling", "cpu", 1, args.seed)
    name, net = args.network
    run["scaling"] = found = {"interconnect": name, **asdict(net), "algorithm": args.algorithm, "faster": args.faster,
                              "cores": machine.cores(), "all_reduce": [], "networks": []}  # fmt: skip
    print(results.where(run))
    for network in args.networks:
        one = _predictions(network, net, args)
        found["networks"].append(one)
        print(f"\n{scaled.about(one)}\n{scaled.over(found)}")
        _print(scaled.PREDICTED, one["predicted"])
    why = _no_mpi()
    for ranks in [] if why else args.ranks:
        _add_measured(run, ranks, _measured(ranks, args))
    _expect(found)
    for one in found["networks"]:
        print(f"\n{one['network']} on {found['cores']} cores, one thread a rank: {why or scaled.fit(found)}")
        _print(scaled.MEASURED, one["measured"])
    if args.json:
        results.save(run, args.json)
    for path in pictures.write(run, args.plot) if args.plot else ():
        print(f"wrote {path}")
    return 0


def _arguments(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench scaling", description=__doc__)
    add = parser.add_argument
    add("--networks", default="resnet20,lenet5", metavar="LIST", help="models of gpunn.models (default %(default)s)")
    add("--batch", type=positive_int, metavar="N", help="images a rank (default: 16 to 64, by network)")
    add("--bucket-mb", type=positive_float, default=25.0, metavar="MB", help="of gradients that go together")
    known = ", ".join(f"{name} ({net})" for name, net in INTERCONNECTS.items())
    add("--network", type=interconnect, default="ethernet10", metavar="NAME",
        help=f"{known}, or microseconds/GB a second of your own, such as 20/3 (default %(default)s)")  # fmt: skip
    add("--algorithm", choices=list(ALGORITHMS), default="ring", help="of the all-reduce (default %(default)s)")
    add("--faster", type=positive_float, default=1.0, metavar="X",
        help="predict for machines that compute X times as fast as this one")  # fmt: skip
    add("--ranks", type=numbers, default="1,2,4", metavar="LIST", help="to measure here (default %(default)s)")
    add("--repeats", type=positive_int, default=10, metavar="N", help="steps, and turns of ranks (default 10)")
    add("--seed", type=int, default=0)
    add("--json", metavar="FILE", help="write the figures there")
    add("--plot", metavar="FILE.png", help="write the timeline there, and the efficiency beside it")
    args = parser.parse_args(argv)
    names = chosen("network of scaling", args.networks, models.names("classification"))
    batches = ((args.batch or BATCHES.get(name, 16), name) for name in names)
    args.networks = [Network(name, (batch, *models.input_shape(name))) for batch, name in batches]
    return args


def interconnect(text: str) -> tuple[str, Interconnect]:
    """A name of INTERCONNECTS, or LATENCY/BANDWIDTH in microseconds and GB a second, as (name, Interconnect)."""
    if text in INTERCONNECTS:
        return text, INTERCONNECTS[text]
    try:
        latency, bandwidth = map(float, text.split("/"))
    except ValueError:
        latency, bandwidth = -1.0, 0.0
    if not (0 <= latency < 1e9 and 0 < bandwidth < 1e9):
        names = ", ".join(INTERCONNECTS)
        raise argparse.ArgumentTypeError(
            f"got {text!r}, expected {names}, or microseconds/GB a second such as 20/3: a latency of at least 0 and a "
            "bandwidth above 0"
        )
    return text, Interconnect(latency * 1e-6, bandwidth * 1e9)


def numbers(text: str) -> list[int]:
    """Whole numbers above 0 between commas, each once."""
    return sorted({positive_int(part.strip()) for part in text.split(",")})


def _print(shown: list[Column], rows: list[Found]) -> None:
    if rows:
        print(aligned(shown), *(aligned(shown, row) for row in rows), sep="\n", flush=True)


def _predictions(network: Network, net: Interconnect, args: argparse.Namespace) -> Found:
    """A network's profile, and the row of each number of ranks."""
    step = profile(network, args.seed, args.repeats).slowed(1 / args.faster)
    least = profile(Network(network.name, (1, *network.batch[1:])), args.seed, args.repeats).slowed(1 / args.faster)
    cap = args.bucket_mb * 2**20
    rows = [vars(predicted(step, least, cap, n, net, args.algorithm)) for n in scaled.RANKS]
    for row in rows:
        row["images_per_second"] = row["ranks"] * step.batch / row["step"]
    return {"network": network.name, "batch": list(network.batch), "bucket_bytes": cap, "profile": asdict(step),
            "least": asdict(least), "predicted": rows, "measured": []}  # fmt: skip


# ---------------------------------------------------------------- ranks of this machine
def _no_mpi() -> str:
    """Why no ranks can be measured here; "" where they can."""
    if importlib.util.find_spec("mpi4py") is None:
        return 'not measured: mpi4py is missing; pip install "gpunn[mpi]"'
    try:
        find_mpiexec()
    except DistError as error:
        return f"not measured: {error}"
    return ""


def _measured(ranks: int, args: argparse.Namespace) -> Found:
    """What scaling_ranks prints. Raises UsageError where it fails."""
    steps = json.dumps([[network.name, network.batch, args.bucket_mb] for network in args.networks])
    program = [sys.executable, "-m", "bench.training.scaling_ranks", "--steps", steps]
    program += ["--repeats", str(args.repeats), "--seed", str(args.seed)]
    mpiexec, settings = mpiexec_options(find_mpiexec(), ranks)
    one = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "GPUNN_NUM_THREADS"), "1")
    env = {**os.environ, **settings, **one}
    try:
        done = subprocess.run([*mpiexec, *program], env=env, capture_output=True, text=True, timeout=LIMIT)
    except subprocess.TimeoutExpired:
        raise UsageError(f"scaling: {ranks} ranks took over {LIMIT} s; measure fewer, or smaller networks") from None
    if done.returncode:
        last = one_line((done.stderr.strip() or done.stdout).splitlines()[-1]) if done.stderr + done.stdout else ""
        raise UsageError(f"scaling: {ranks} ranks ended with status {done.returncode}: {last}")
    return json.loads(done.stdout.splitlines()[-1])


def _add_measured(run: results.Run, ranks: int, figures: Found) -> None:
    """Take what so many ranks measured into the run: as rows, and to be compared with predictions."""
    found = run["scaling"]
    found["all_reduce"] += [[ranks, size, seconds] for size, seconds in figures["all_reduce"]]
    for one in found["networks"]:
        sides = figures[one["network"]]
        images, shape = ranks * one["batch"][0] / sides["parallel"]["median"], f"batch {size_text(one['batch'])}"
        for name in WAYS:
            row = Row("scaling", one["network"], f"scaling.{name}", f"{ranks} ranks", shape=shape)
            row.seconds = Spread(**sides[name])
            row.images_per_second = images if name == "parallel" else None
            run["rows"].append(row)
        medians = {name: sides[name]["median"] for name in WAYS}
        over_one = {name: sides[name] for name in ("images", "images_of_best")}
        one["measured"].append({"ranks": ranks, **medians, "images_per_second": images, **over_one})


def _expect(found: Found) -> None:
    """What the simulation makes of all ranks' computing at once over the interconnect fitted to their all-reduces.

    Where ranks share cores, their copying is taken to last as many times as long.
    """
    if not found["all_reduce"]:
        return
    shared = {ranks: max(1.0, ranks / found["cores"]) for ranks, *_ in found["all_reduce"]}
    samples = ((ranks, size, seconds / shared[ranks]) for ranks, size, seconds in found["all_reduce"])
    net = fitted(samples, found["algorithm"])
    found["fitted"] = asdict(net)
    for one in found["networks"]:
        step = Profile.read(one["profile"])
        for row in one["measured"]:
            ranks, slow = row["ranks"], step.slowed(row["together"] / step.step)
            among = Interconnect(net.latency * shared.get(ranks, 1), net.bandwidth / shared.get(ranks, 1))
            parts = buckets(slow, one["bucket_bytes"])
            row["expected"] = simulated(slow, parts, ranks, among, found["algorithm"]).step
            row["expected_images"] = ranks * row["alone"] / row["expected"]
