"""The suites of single operations: each variant of each pass on each case, verified, then timed or counted."""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from bench import clocks
from bench.kernels import cases, counts, oracle, rivals, roofline
from bench.kernels.subjects import FAMILIES, PRECISIONS, Subject, operations, size_in_memory
from gpunn import backend
from gpunn.cuda.variants import OPERATIONS, use_variant
from gpunn.errors import UsageError, unknown_name

HOST_PRECISIONS = ("fp32", "fp64")
ELSEWHERE = "numpy"  # the variant's name where there is only one: the NumPy twin, or the library


class Plan:
    """What was asked for, checked: cases, passes, variants, precisions and rivals of one suite."""

    def __init__(self, suite: str, args: argparse.Namespace):
        self.suite, self.device, self.args = suite, args.device, args
        self.kind = backend.device(args.device).type
        self.cases = cases.choose(suite, args.cases, self.kind, args.batch)
        known = operations(suite)
        if self.kind == "emulator" and not any(name in OPERATIONS for name in known):
            raise UsageError(f"{suite}: no kernel of ours runs in it; choose --device cpu or cuda")
        full = {name.partition(".")[2]: name for name in known}
        self.passes = chosen(f"pass of {suite}", args.passes, list(full))
        self.operations = [full[name] for name in self.passes]
        names = dict.fromkeys(v.name for name in known if name in OPERATIONS for v in OPERATIONS[name].variants)
        self.variants = chosen(f"variant of {suite}", args.variants, list(names) or [ELSEWHERE])
        self.precisions = chosen("precision", args.precision or "fp32", list(PRECISIONS))
        self.rivals = rivals.names_of(args.against, args.device)

    def variants_of(self, operation: str) -> list[str]:
        """The wanted variants that this operation has, on a device where it has any."""
        if self.kind == "cpu" or operation not in OPERATIONS:
            return [ELSEWHERE if self.kind != "cuda" else "library"]
        return [v.name for v in OPERATIONS[operation].variants if v.name in self.variants]


def chosen(what: str, wanted: str | None, known: list[str]) -> list[str]:
    """The names in a comma-separated list, all of them where None. Raises UsageError with the nearest match."""
    if wanted is None or wanted == "all":
        return known
    names = [name for part in wanted.split(",") if (name := part.strip())]
    for name in names:
        if name not in known:
            raise unknown_name(what, name, known)
    return names


def rows(plan: Plan, clock: Any, roof: roofline.Roof | None, said: dict[str, str]) -> Iterator[dict[str, Any]]:
    """A row a case, pass, variant and precision; `said` are the rivals' versions (`rivals.present`)."""
    for case in plan.cases:
        for precision in plan.precisions:
            row = {"suite": plan.suite, "case": case.name, "precision": precision}
            if reason := _impossible(case, plan, precision):
                yield {**row, "operation": plan.suite, "variant": "-", "status": "skipped", "reason": reason}
                continue
            try:
                for subject in FAMILIES[plan.suite](case, plan.device, precision, plan.operations):
                    yield from _subject_rows(subject, plan, clock, roof, said)
                _give_back(plan)
            except Exception as error:
                if not is_out_of_memory(error):
                    raise
                _give_back(plan)
                reason = f"out of memory: {_megabytes(case, precision)} of arrays and results ({error})"
                yield {**row, "operation": plan.suite, "variant": "-", "status": "skipped", "reason": reason}


def _impossible(case: Any, plan: Plan, precision: str) -> str:
    """Why a case cannot even be made here, or ""."""
    if plan.kind == "cpu" and precision not in HOST_PRECISIONS:
        return f"the NumPy twins compute in {' and '.join(HOST_PRECISIONS)}"
    free = free_memory()
    needed = size_in_memory(case, PRECISIONS[precision]) * 2  # the oracle and the rivals hold copies
    if free is not None and needed > free:
        return f"needs about {needed / 1e6:,.0f} MB of host memory, {free / 1e6:,.0f} MB are free; use --batch"
    return ""


def free_memory() -> int | None:
    """Bytes of host memory that may be used."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")), None)


def _give_back(plan: Plan) -> None:
    """Hand CuPy's cached blocks back to the driver: PyTorch and the next case take them from there."""
    if plan.kind == "cuda":
        backend.require_cupy().get_default_memory_pool().free_all_blocks()


def is_out_of_memory(error: Exception) -> bool:
    return isinstance(error, MemoryError) or type(error).__name__ in ("OutOfMemoryError", "OutOfMemory")


def _megabytes(case: Any, precision: str) -> str:
    return f"{size_in_memory(case, PRECISIONS[precision]) / 1e6:,.0f} MB"


def _subject_rows(subject: Subject, plan: Plan, clock: Any, roof: Any, said: dict[str, str]) -> Iterator[dict]:
    row: dict[str, Any] = {
        "suite": plan.suite,
        "case": subject.case,
        "shape": subject.shape,
        "operation": subject.operation,
        "precision": subject.precision,
    }
    if subject.prepare:
        subject.prepare()
    row["flops"], row["bytes"] = subject.floor
    others = rival_calls(subject, plan.rivals, plan.device, said)
    for variant in plan.variants_of(subject.operation):
        forced = nullcontext() if subject.operation not in OPERATIONS else use_variant(subject.operation, variant)
        one = {**row, "variant": variant}
        with nullcontext() if plan.kind == "cpu" else forced:
            try:
                if plan.kind == "emulator":
                    yield {**one, **_count(subject)}
                else:
                    yield {**one, **_time(subject, plan, clock, roof, others)}
            except Exception as error:  # a kernel that does not compile, or faults, fails its row and not the run
                if is_out_of_memory(error):
                    raise
                yield {**one, **_refusal(error)}


def _refusal(error: Exception) -> dict[str, str]:
    """The row of a variant that does not take the case, or that broke down on it."""
    _, refused, reason = str(error).partition("does not take this call: ")
    if refused:
        return {"status": "refused", "reason": reason.rpartition(" (")[0]}
    return {"status": "failed", "reason": f"{type(error).__name__}: {error}".splitlines()[0]}


def verified(subject: Subject, outputs: tuple) -> dict[str, Any]:
    """The row's status, and how far the worst element is from the oracle in units of what is allowed."""
    worst, wrong = oracle.judge(outputs, subject.expected, PRECISIONS[subject.precision])
    whole = all(one.pick is None for one in subject.expected)
    verified = {"worst": worst if np.isfinite(worst) else None, "whole": whole}
    return {"status": "failed" if wrong else "ok", "reason": wrong, "verified": verified}


def _count(subject: Subject) -> dict[str, Any]:
    outputs, found = counts.counted(subject.run, subject.floor[1])
    result = verified(subject, outputs)
    return result if result["status"] == "failed" else {**result, "counts": found}


Others = dict[str, Callable[[], Any] | str]


def rival_calls(subject: Subject, names: list[str], device: str, said: dict[str, str]) -> Others:
    """Each rival's call, verified, or why there is none."""
    found: Others = {}
    for name in names:
        if said[name].startswith("missing"):
            continue
        try:
            run = rivals.call(name, subject, device)
            result = run()
            first = result[0] if isinstance(result, tuple) else result
            found[name] = run if _near(first, subject) else "its result differs from the oracle's"
        except rivals.Unsupported as error:
            found[name] = str(error)
        except Exception as error:  # whatever another program raises is its row's remark, not our end
            found[name] = f"{type(error).__name__}: {error}".splitlines()[0][:200]
    return found


def _near(result: Any, subject: Subject) -> bool:
    """Whether a rival computes the same thing: to a hundred times the tolerance, since its sums are not ours."""
    array = result.float().cpu().numpy() if hasattr(result, "cpu") else backend.to_numpy(result)
    one = subject.expected[0]
    values = oracle.f64(array if one.pick is None else one.pick(array))
    if values.shape != one.want.shape:
        return False
    loose = 100 * oracle.allowed(one.want, one.terms, PRECISIONS[subject.precision], one.scale)
    return bool(np.all(np.abs(values - one.want) <= loose))


def _time(subject: Subject, plan: Plan, clock: Any, roof: roofline.Roof | None, others: Others) -> dict[str, Any]:
    result = verified(subject, subject.run())
    if result["status"] == "failed":
        return result
    runs = {name: run for name, run in others.items() if callable(run)}
    samples = clocks.by_turns([subject.run, *runs.values()], clock, plan.args.repeats, plan.args.budget)
    return {**result, **figures(samples[0], *subject.floor, subject.precision, roof), "against": {
        **versus(samples[0], dict(zip(runs, samples[1:], strict=True))),
        **{name: {"reason": why} for name, why in others.items() if isinstance(why, str)},
    }}  # fmt: skip


def figures(sample: clocks.Sample, flops: int, bytes_: int, precision: str, roof: roofline.Roof | None) -> dict:
    """The columns of a timed row."""
    spread = sample.spread
    found: dict[str, Any] = {
        "seconds": {**asdict(spread), "repeats": len(sample.device)},
        "gflops": flops / spread.median / 1e9,
        "gbs": bytes_ / spread.median / 1e9,
        "host_seconds": statistics.median(sample.host) if sample.host else None,
    }
    if roof is not None and precision in roof.peaks:
        floor, found["bound"] = roof.floor(flops, bytes_, precision)
        found["roofline"] = floor / spread.median
    return found


def versus(ours: clocks.Sample, others: dict[str, clocks.Sample]) -> dict[str, dict[str, Any]]:
    """Each rival's spread, and how many times as long it takes: the median of the pairs of neighbours in time."""
    return {
        name: {
            **asdict(sample.spread),
            "speed": statistics.median(b / a for a, b in zip(ours.device, sample.device, strict=True)),
        }
        for name, sample in others.items()
    }
