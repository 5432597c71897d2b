"""`python -m bench profile FILE.json`: the kernels that lose most by a run of the suite `kernels`, for a profiler.

Each is warmed up, then called once between the driver's profilerStart and profilerStop, as the step calls it:

    ncu --profile-from-start off --set full python -m bench profile bench/results/kernels-cuda-h200.json
"""

from __future__ import annotations

import argparse

from bench.measure import Plan
from bench.output import lost, results
from bench.rows import Row
from bench.training.kernels import Calls, calls
from bench.training.networks import Network
from gpunn import backend, models
from gpunn.errors import UsageError


def main(argv: list[str]) -> int:
    """Profile; says which kernels, in order."""
    parser = argparse.ArgumentParser(prog="python -m bench profile", description=__doc__)
    parser.add_argument("file", metavar="FILE.json", help="what `python -m bench kernels --json FILE.json` wrote")
    run = results.load(parser.parse_args(argv).file)
    groups = lost.ranked(run["rows"])
    if run["suite"] != "kernels" or not groups:
        raise UsageError("profile: the file has no kernel that loses time; write one with `python -m bench kernels`")
    plan = Plan(argparse.Namespace(device=run["device"], seed=run["seed"]), "cuda")
    for (name, precision), group in groups.items():
        batch = int(group[0].shape.rpartition(" ")[2].partition("x")[0])
        network = Network(name, (batch, *models.input_shape(name)))
        profiled(calls(network, precision, plan), name, group[: lost.FEW])
    return 0


def profiled(found: Calls, network: str, wanted: list[Row]) -> None:
    """Call those of the plans that are wanted, the one that loses most first."""
    runtime = backend.require_cupy().cuda.runtime
    named = {(f"{network} {plan.call.problem}", plan.call.operation, plan.call.variant): (plan, operands)
             for plan, operands, _ in found if plan.call}  # fmt: skip
    for row in wanted:
        known = row.case, row.operation, row.variant
        if known not in named:
            print(f"not called any more: {row.operation} {row.variant}: {row.case}")
            continue
        plan, operands = named[known]
        plan(*operands)
        backend.synchronize("cuda")
        runtime.profilerStart()
        plan(*operands)
        backend.synchronize("cuda")
        runtime.profilerStop()
        print(f"{row.operation} {row.variant} {row.precision}: {row.case}", flush=True)
