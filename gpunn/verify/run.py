"""`gpunn verify`: every variant x every case of the shape table against plain loops, on this machine's device."""

from __future__ import annotations

import re
import time
from collections import Counter
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import numpy as np

from gpunn import backend
from gpunn.asked import precision
from gpunn.backend import Array
from gpunn.cuda.dtypes import STORAGE
from gpunn.cuda.variants import OPERATIONS, Operation, Variant, tracing, use_variant
from gpunn.errors import DeviceError, UsageError
from gpunn.reference import close
from gpunn.verify.beyond import beyond_tasks, left_out
from gpunn.verify.task import Task
from gpunn.verify.tasks import TF32, numpy_dtype, tasks

TAKES_NOT = "does not take this call: "  # of gpunn/cuda/variants.py


@dataclass
class Row:
    """What became of one variant and dtype over all cases: those it was launched on, and why not on the others."""

    operation: str
    variant: str
    dtype: str
    ran: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    worst: float = 0.0  # error over what is allowed
    worst_case: str = ""
    failures: list[str] = field(default_factory=list)

    @property
    def refused(self) -> int:
        """Cases that it was not launched on."""
        return sum(self.reasons.values())


def allowed(want: np.ndarray, terms: float, dtype: str, scale: float | None = None) -> float:
    """The tolerance of a sum of so many terms, in the type that it is kept in; of none: the result is exact."""
    finite = want[np.isfinite(want)]
    wide = "float64" if dtype == "float64" else "float32"
    return close.tolerance(finite, terms, wide, scale) if terms else 0.0


def compare(got: Array, want: np.ndarray, terms: float, scale: float | None = None) -> float:
    """Worst error as a part of what is allowed: above 1 is a mismatch.

    A number must be what the storage type rounds some number within the tolerance of the sum to, by nearest, ties to
    even: one bit cut off is a mismatch. NaN must be NaN, and an infinity that infinity.
    """
    stored = backend.to_numpy(got)
    if stored.shape != want.shape:
        return float("inf")
    if not want.size:
        return 0.0
    if np.issubdtype(stored.dtype, np.integer):
        return 0.0 if np.array_equal(stored, want) else float("inf")
    kind, bound, values = stored.dtype, allowed(want, terms, stored.dtype.name, scale), stored.astype(np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        low, high, nearest = (edge.astype(kind).astype(np.float64) for edge in (want - bound, want + bound, want))
        before = np.maximum(np.abs(values - want) - np.abs(nearest - want), 0)  # it was rounded
        error = before / max(bound, np.finfo(np.float64).tiny)
        error = np.where((low <= values) & (values <= high), np.minimum(error, 1), np.maximum(error, 2))
    same = (values == nearest) | (np.isnan(values) & np.isnan(nearest))
    finite = np.isfinite(values) & np.isfinite(nearest)
    worst = float(np.max(np.where(finite, error, np.where(same, 0.0, np.inf))))
    return float("inf") if np.isnan(worst) else worst  # a scale of NaN allows nothing


Wanted = tuple[tuple[np.ndarray, float, float | None], ...]


def check(task: Task, operation: Operation, rows: dict[str, Row], dtype: str, part: str = "") -> None:
    """Run a task through each variant of its operation, into the variants' rows; of "tf32" those that multiply so.

    part: of the names of the variants that are meant.
    """
    want = None
    for variant in operation.variants:
        if (variant.precision == TF32) != (dtype == TF32) or part not in variant.name:
            continue
        row = rows.setdefault(variant.name, Row(operation.name, variant.name, dtype))
        try:
            want = check_variant(task, variant, row, want)
        except DeviceError as error:
            if type(error) is DeviceError:  # a compiler that is missing; the emulator's KernelError names a rule broken
                raise
            row.failures.append(f"{task.case}: {error}")


def check_variant(task: Task, variant: Variant, row: Row, want: Wanted | None) -> Wanted | None:
    """Run a task through one variant, into its row. What the oracle wants is given, or asked for and returned."""
    try:
        wanted = precision(TF32 if variant.precision == TF32 else "fp32")
        with use_variant(task.operation, variant.name), wanted, tracing() as calls:
            got = task.run()
    except ValueError as error:
        if TAKES_NOT not in str(error):
            raise
        row.reasons[_kind(str(error))] += 1
        return want
    with np.errstate(invalid="ignore"):  # of cases with NaN and infinities
        want = task.want() if want is None else want
    launched = [call.variant for call in calls if call.operation == task.operation] or [variant.name]
    if variant.name in launched:  # "-" where there is nothing to compute
        row.ran += 1
    else:
        row.reasons["nothing to compute"] += 1
    for one, (values, terms, scale) in zip(got, want, strict=True):
        error = compare(one, values, terms, scale)
        if error > row.worst or not row.worst_case:
            row.worst, row.worst_case = error, task.case
        if error > 1:
            row.failures.append(task.case)
    return want


def _kind(refusal: str) -> str:
    """What a variant refuses, its numbers left out, so that cases refused for one reason count together."""
    return re.sub(r"\d+", "#", refusal.partition(TAKES_NOT)[2].rpartition(" (")[0])


@dataclass(frozen=True)
class Wish:
    """What is to be run: operations and variants whose names contain a text, storage types, layers of networks too."""

    only: str = ""
    variant: str = ""
    dtypes: tuple[str, ...] = (*STORAGE, TF32)
    heavy: bool = False

    def operations(self) -> list[str]:
        """The operations. UsageError where there is none, or none of their variants is meant."""
        found = [name for name in OPERATIONS if self.only in name]
        if not found:
            names = ", ".join(OPERATIONS)
            raise UsageError(f"verify: --only {self.only!r} matches no operation; expected a part of {names}")
        names = sorted({variant.name for name in found for variant in OPERATIONS[name].variants})
        if not any(self.variant in name for name in names):
            words = f"expected a part of {', '.join(names)}"
            raise UsageError(f"verify: --variant {self.variant!r} matches no variant of these operations; {words}")
        return found


def verify(device: str, wish: Wish | None = None) -> list[Row]:
    """A row for each variant and dtype, worst error included."""
    wish = wish or Wish()
    rows: dict[tuple[str, str], dict[str, Row]] = {}
    wanted = wish.operations()
    for dtype in wish.dtypes:
        for task in chain(tasks(device, dtype, not wish.heavy), beyond_tasks(device) if dtype == "float16" else ()):
            if task.operation in wanted:
                kept = rows.setdefault((task.operation, dtype), {})
                check(task, OPERATIONS[task.operation], kept, dtype, wish.variant)
    return [row for group in rows.values() for row in group.values()]


def table(rows: list[Row]) -> str:
    """The rows as aligned text, worst error as a part of what is allowed."""
    titles = ("operation", "variant", "dtype", "cases", "not taken", "worst/allowed")
    lines = ["{:<28} {:<17} {:<9} {:>5} {:>9} {:>13}  worst case".format(*titles)]
    for row in rows:
        worst = f"{row.worst:.3f}" if row.ran else "-"
        mark = "  MISMATCH" if row.failures else ""
        lines.append(
            f"{row.operation:<28} {row.variant:<17} {row.dtype:<9} {row.ran:>5} {row.refused:>9} {worst:>13}"
            f"  {row.worst_case}{mark}"
        )
    return "\n".join(lines)


def reasons(rows: list[Row]) -> str:
    """What was not taken, and how often, by operation."""
    found: dict[str, Counter[str]] = {}
    for row in rows:
        found.setdefault(row.operation, Counter()).update(row.reasons)
    lines = [f"{name}: {count} times {why}" for name, whys in found.items() for why, count in whys.most_common()]
    return "\n".join(lines)


def present_dtypes() -> tuple[str, ...]:
    """The types to verify where none is asked for: all, bfloat16 only with ml_dtypes; what is left out is printed."""
    try:
        numpy_dtype("bfloat16")
    except DeviceError as error:
        print(f"bfloat16 is left out: {error}")
        return tuple(name for name in Wish.dtypes if name != "bfloat16")
    return Wish.dtypes


def main(args: Any) -> int:
    """Print the table; 1 on a mismatch.

    args: device ("cuda", "emulator"; None: cuda where there is one); only, variant, parts of names; dtype, heavy, why.
    """
    device = args.device or ("cuda" if backend.is_available("cuda") else "emulator")
    if str(device) == "cpu":
        raise UsageError("verify: --device cpu runs no kernel; expected cuda or emulator")
    started = time.perf_counter()
    wish = Wish(args.only or "", args.variant or "", (args.dtype,) if args.dtype else present_dtypes(), args.heavy)
    rows = verify(str(device), wish)
    print(table(rows))
    if args.why:
        print(f"\n{reasons(rows)}")
    bad = sorted({f"{row.operation} {row.variant} {row.dtype}: {row.failures[0]}" for row in rows if row.failures})
    ran = sum(row.ran for row in rows)
    print(f"\n{ran} runs on {device} in {time.perf_counter() - started:.1f} s, {len(bad)} variants with a mismatch")
    if (few := left_out(str(device))) and wish == Wish():
        print(few)
    for name in bad:
        print(f"MISMATCH: {name}")
    return 1 if bad else 0
