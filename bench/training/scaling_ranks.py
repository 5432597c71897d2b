"""The ranks that `python -m bench scaling` measures: mpiexec starts them, rank 0 prints the figures as JSON.

Steps are timed by turns, so that what else the machine does meets all alike: rank 0 alone while the others wait, all
ranks at once without a word between them, all as DataParallel. What counts is the time until the last rank is done.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from bench.clocks import Call
from bench.rows import Spread
from bench.training.networks import Network, our_model, our_step
from gpunn import dist
from gpunn.cpu.threads import set_thread_count
from gpunn.ranks.group import Group

SIZES = [4 * 8**i for i in range(9)]  # bytes of an all-reduce: 4 to 64 MB
STEPS = 3  # a turn


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.training.scaling_ranks", description=__doc__)
    parser.add_argument("--steps", type=json.loads, help="rows of a name, a batch's shape and the MB of a bucket")
    parser.add_argument("--repeats", type=int)
    parser.add_argument("--seed", type=int)
    args = parser.parse_args(argv)
    set_thread_count(1)
    group = dist.init("cpu")
    found: dict[str, Any] = {"ranks": group.size, "all_reduce": list(all_reduces(group, args.repeats))}
    for name, batch, cap in args.steps:
        found[name] = turns(group, Network(name, tuple(batch)), cap, args.seed, args.repeats)
    if group.rank == 0:
        print(json.dumps(found), flush=True)
    dist.destroy_process_group()
    return 0


def all_reduces(group: Group, repeats: int) -> Iterator[tuple[int, float]]:
    """Bytes and median seconds of sums of float32; nothing of one rank."""
    for size in SIZES if group.size > 1 else ():
        a = np.zeros(size // 4, np.float32)

        def call(a: np.ndarray = a) -> None:
            group.all_reduce(a).wait()

        times = 10 if size < 1 << 20 else 1  # several, since ranks do not start at one moment
        seconds = [_took(group, call, times) for _ in range(2 + repeats)][2:]
        yield size, float(np.median(seconds))


def turns(group: Group, network: Network, cap: float, seed: int, repeats: int) -> dict[str, Any]:
    """Seconds of a step: of one rank alone, of all at once, of all in parallel; and the last's images over the first's.

    `images` is the median over turns of the images a second of all ranks, over those of one rank alone;
    `images_of_best` that of the fastest turns, which other work on the machine spoils least.
    """
    model = our_model(network, seed)
    plain = our_step(network, model, seed)
    parallel = our_step(network, dist.DataParallel(our_model(network, seed), bucket_cap_mb=cap), seed)
    ways = {"alone": plain if group.rank == 0 else None, "together": plain, "parallel": parallel}
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(1 + repeats):
        for name, step in ways.items():
            seconds[name].append(_took(group, step, STEPS))
    found: dict[str, Any] = {name: vars(Spread.of(times[1:])) for name, times in seconds.items()}  # the first warms up
    one, all_ = np.array(seconds["alone"][1:]), np.array(seconds["parallel"][1:])
    images = {"images": np.median(one / all_), "images_of_best": one.min() / all_.min()}
    return {**found, **{name: group.size * float(ratio) for name, ratio in images.items()}}


def _took(group: Group, call: Call | None, times: int) -> float:
    """Seconds a call from the first rank's start to the last one's end, on this host's one clock; None: only waits."""
    group.barrier()
    start = time.perf_counter()
    if call is not None:
        for _ in range(times):
            call()
    spans = [span for span in group.exchange(call and [start, time.perf_counter()]) if span]
    return (max(end for _, end in spans) - min(start for start, _ in spans)) / times


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
