"""The suite `launch`: host microseconds of a call, eager and as a captured graph, on arrays too small to matter."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import chain, product

from bench.kernels import cases
from bench.kernels.roofline import HOST_PRECISIONS, NOT_ON_HOST
from bench.kernels.subjects import FAMILIES, PRECISIONS, operations
from bench.kernels.suite import row_of, verified, verified_rival
from bench.measure import Plan, captured, chosen, refused, timed
from bench.rows import Row
from gpunn.errors import UsageError

RIVALS, ROOF = ("torch",), False
TINY = {
    "conv2d": ("one pixel, one tap",),
    "pool2d": ("one pixel", "adaptive (1, 1, 1, 1) to (1, 1)"),
    "batchnorm": ("three values",),
    "gemm": ("resnet20 fc",),
}


def choose(plan: Plan) -> None:
    if plan.kind == "emulator":
        raise UsageError("launch: the emulator's host time is no launch; choose --device cpu or cuda")
    plan.cases = chosen("case of launch", plan.args.cases, list(TINY))
    plan.precisions = chosen("precision of launch", plan.args.precision or "fp32", list(PRECISIONS))


def rows(plan: Plan) -> Iterator[Row]:
    """A row an operation and precision, eager, and on a GPU captured; `seconds` are the host's."""
    for family, precision in product(plan.cases, plan.precisions):
        if plan.kind == "cpu" and precision not in HOST_PRECISIONS:
            yield refused(Row("launch", family, "launch", "-", precision), NOT_ON_HOST.format(precision), "skipped")
            continue
        tiny = [case for case in cases.TABLES[family] if case.name in TINY[family]]
        made = (FAMILIES[family](case, plan.device, precision, operations(family)) for case in tiny)
        for subject in chain.from_iterable(made):
            row = replace(row_of(subject, "launch", "eager"), case=family, flops=None, bytes=None)
            row = verified(row, subject, subject.run())
            if row.status == "failed":
                yield row
                continue
            others = plan.calls(lambda name, subject=subject: verified_rival(name, subject, plan.device))
            yield timed(row, subject.run, others, plan, host=True)
            if plan.kind == "cuda":
                yield captured(row, subject.run, plan, host=True)
