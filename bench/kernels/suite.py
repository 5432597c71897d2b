"""The suites of single operations: each variant of each pass on each case, verified, then timed or counted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import numpy as np

from bench import machine
from bench.clocks import Call
from bench.kernels import cases, elements, oracle, rivals
from bench.kernels.roofline import HOST_PRECISIONS, NOT_ON_HOST
from bench.kernels.subjects import FAMILIES, PRECISIONS, Subject, operations, size_in_memory
from bench.measure import Calls, Plan, Unsupported, chosen, counted, is_out_of_memory, refused, timed, within_memory
from bench.rows import Row
from gpunn import backend
from gpunn.cuda.variants import OPERATIONS, use_variant
from gpunn.errors import UsageError

RIVALS, ROOF = tuple(rivals.MODULES), True
KIN = {"fp32": ("fp32", "3xtf32"), "tf32": ("fp32", "3xtf32", "tf32")}  # what else than itself, and as stored: "fp32"


def choose(plan: Plan) -> None:
    """The cases, passes, variants and precisions that were asked for."""
    args, suite = plan.args, plan.args.suite
    plan.cases = cases.choose(suite, args.cases, plan.kind, args.batch)
    known = elements.PASSES if suite == "elementwise" else operations(suite)
    kernels = [name for name in (elements.KERNELS if suite == "elementwise" else known) if name in OPERATIONS]
    if plan.kind == "emulator" and not kernels:
        raise UsageError(f"{suite}: no kernel of ours runs in it; choose --device cpu or cuda")
    full = {name.partition(".")[2]: name for name in known}
    plan.passes = [full[name] for name in chosen(f"pass of {suite}", args.passes, list(full))]
    names = dict.fromkeys(v.name for name in kernels for v in OPERATIONS[name].variants)
    plan.variants = chosen(f"variant of {suite}", args.variants, list(names) or ["numpy"])
    plan.precisions = chosen("precision", args.precision or "fp32", list(PRECISIONS))


def rows(plan: Plan) -> Iterator[Row]:
    """A row a case, pass, variant and precision."""
    suite = plan.args.suite
    for case in plan.cases:
        for precision in plan.precisions:
            row = Row(suite, case.name, suite, "-", precision)
            if reason := _impossible(case, plan, precision):
                yield refused(row, reason, "skipped")
                continue
            family = elements.subjects if suite == "elementwise" else FAMILIES[suite]
            subjects = family(case, plan.device, precision, plan.passes)
            found = (one for subject in subjects for one in _subject_rows(subject, plan))
            size = f"{size_in_memory(case, PRECISIONS[precision]) / 1e6:,.0f} MB of arrays and results"
            yield from within_memory(found, row, size)
            if plan.kind == "cuda":  # CuPy's cached blocks go back: PyTorch and the next case take them from the driver
                backend.require_cupy().get_default_memory_pool().free_all_blocks()


def _impossible(case: Any, plan: Plan, precision: str) -> str:
    """Why a case cannot even be made here, or ""."""
    if plan.kind == "cpu" and precision not in HOST_PRECISIONS:
        return NOT_ON_HOST.format(precision)
    free = machine.memory("MemAvailable")
    needed = size_in_memory(case, PRECISIONS[precision]) * 2  # the oracle and the rivals hold copies
    if free is not None and needed > free:
        return f"needs about {needed / 1e6:,.0f} MB of host memory, {free / 1e6:,.0f} MB are free; use --batch"
    return ""


def _subject_rows(subject: Subject, plan: Plan) -> Iterator[Row]:
    others = plan.calls(lambda name: verified_rival(name, subject, plan.device))
    for variant in _variants(subject, plan):
        row = row_of(subject, plan.args.suite, variant)
        forced = plan.kind != "cpu" and subject.operation in OPERATIONS
        try:
            with use_variant(subject.operation, variant) if forced else nullcontext():
                row = _measured(row, subject, others, plan)
        except Exception as error:  # a kernel that does not compile, or faults, fails its row and not the run
            if is_out_of_memory(error):
                raise
            _, declined, reason = str(error).partition("does not take this call: ")
            row = refused(row, reason.rpartition(" (")[0]) if declined else refused(row, error, "failed")
        yield row


def _measured(row: Row, subject: Subject, others: Calls, plan: Plan) -> Row:
    emulated = plan.kind == "emulator"
    subject.ready()
    result, found = counted(subject.run, subject.floor[1]) if emulated else (subject.run(), None)
    row = verified(row, subject, result)
    if row.status == "failed":
        return row
    return replace(row, counts=found) if emulated else timed(row, subject.run, others, plan)


def _variants(subject: Subject, plan: Plan) -> list[str]:
    """The wanted variants of an operation; the NumPy twin's only one, or "several" where several operations do it.

    Without --variants none that multiplies in another precision than the subject's.
    """
    if plan.kind == "cpu" or subject.operation not in OPERATIONS:
        return ["numpy" if plan.kind == "cpu" else "several"]
    fit = KIN.get(subject.precision, (subject.precision, "fp32"))
    wanted = [v for v in OPERATIONS[subject.operation].variants if v.name in plan.variants]
    return [v.name for v in wanted if plan.args.variants or v.precision in fit]


def row_of(subject: Subject, suite: str, variant: str) -> Row:
    flops, bytes_ = subject.floor
    return Row(suite, subject.case, subject.operation, variant, subject.precision, subject.shape,
               flops=flops, bytes=bytes_)  # fmt: skip


def verified(row: Row, subject: Subject, outputs: tuple) -> Row:
    """The row with its status, and how far the worst element is from the oracle in units of what is allowed."""
    worst, wrong = oracle.judge(outputs, subject.expected)
    known = {"worst": worst if np.isfinite(worst) else None, "whole": subject.expected.take is None}
    return replace(row, status="failed" if wrong else "ok", reason=wrong, verified=known)


def verified_rival(name: str, subject: Subject, device: str) -> Call:
    """A rival's call. Raises Unsupported where it has none, or gives something else."""
    run = rivals.call(name, subject, device)
    if not oracle.near(run(), subject.expected, PRECISIONS[subject.precision]):
        raise Unsupported("its result differs from the oracle's")
    return run
