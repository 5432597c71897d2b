"""The suite `launch`: host microseconds of a call, eager and as a captured graph, on arrays too small to matter."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

from bench import clocks
from bench.kernels import cases, rivals, suite
from bench.kernels.subjects import FAMILIES, Subject, operations
from gpunn import backend
from gpunn.errors import UsageError

TINY = {
    "conv2d": "one pixel, one tap",
    "pool2d": "one pixel,adaptive (1, 1, 1, 1) to (1, 1)",
    "batchnorm": "three values",
    "gemm": "resnet20 fc",
}


class Plan:
    def __init__(self, args: argparse.Namespace):
        self.device, self.args, self.kind = args.device, args, backend.device(args.device).type
        if self.kind == "emulator":
            raise UsageError("launch: the emulator's host time is no launch; choose --device cpu or cuda")
        self.families = suite.chosen("case of launch", args.cases, list(TINY))
        self.precisions = ["fp32"]
        self.rivals = [name for name in rivals.names_of(args.against, args.device) if name == "torch"]


def _subjects(plan: Plan) -> Iterator[Subject]:
    for family in plan.families:
        single = {case.name: case for group in cases.groups(family).values() for case in group}
        # the names hold commas themselves
        wanted = [case for name, case in single.items() if name in (TINY[family], *TINY[family].split(",", 1))]
        for case in wanted:
            yield from FAMILIES[family](case, plan.device, "fp32", operations(family))


def rows(plan: Plan, clock: Any, roof: Any, said: dict[str, str]) -> Iterator[dict[str, Any]]:
    """A row an operation, eager, and on a GPU captured; `seconds` are the host's."""
    for subject in _subjects(plan):
        row = {"suite": "launch", "case": subject.operation.partition(".")[0], "operation": subject.operation,
               "precision": "fp32", "shape": subject.shape, "flops": None, "bytes": None}  # fmt: skip
        if subject.prepare:
            subject.prepare()
        result = suite.verified(subject, subject.run())
        if result["status"] == "failed":
            yield {**row, "variant": "eager", **result}
            continue
        others = suite.rival_calls(subject, plan.rivals, plan.device, said)
        runs = {name: run for name, run in others.items() if callable(run)}
        samples = [host_sample(s) for s in clocks.by_turns([subject.run, *runs.values()], clock, plan.args.repeats,
                                                           plan.args.budget)]  # fmt: skip
        against = suite.versus(samples[0], dict(zip(runs, samples[1:], strict=True)))
        yield {**row, "variant": "eager", **result, "seconds": seconds(samples[0]), "against": against}
        if plan.kind == "cuda":
            yield {**row, "variant": "captured", **_captured(subject, clock, plan)}


def host_sample(sample: clocks.Sample) -> clocks.Sample:
    """The host's share of a sample; on the CPU that is all of it."""
    return clocks.Sample(sample.host or sample.device)


def seconds(sample: clocks.Sample) -> dict[str, Any]:
    spread = sample.spread
    return {"median": spread.median, "p10": spread.p10, "p90": spread.p90, "repeats": len(sample.device)}


def _captured(subject: Subject, clock: Any, plan: Plan) -> dict[str, Any]:
    try:
        with clocks.captured(subject.run) as replay:
            sample = clocks.by_turns([replay], clock, plan.args.repeats, plan.args.budget)[0]
    except Exception as error:
        return {"status": "refused", "reason": f"not capturable: {type(error).__name__}: {error}".splitlines()[0]}
    return {"status": "ok", "reason": "", "seconds": seconds(host_sample(sample))}
