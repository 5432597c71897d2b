"""`gpunn verify`: every variant x every case of the shape table against plain loops, on this machine's device."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from gpunn import backend
from gpunn.cuda.dtypes import STORAGE
from gpunn.cuda.variants import OPERATIONS, Operation, use_variant
from gpunn.errors import DeviceError, UsageError


@cache
def reference(name: str) -> ModuleType:
    """`naive` (the oracle), `cases` or `close`: from the wheel, or from the folder tests of a checkout."""
    try:
        return importlib.import_module(f"gpunn.reference.{name}")
    except ModuleNotFoundError:
        pass
    path = Path(__file__).resolve().parents[2] / "tests" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"gpunn_reference_{name}", path)
    if spec is None or spec.loader is None or not path.is_file():
        raise DeviceError(f"verify: {path} is not there; install gpunn from its wheel or run it in a checkout")
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@dataclass(frozen=True)
class Task:
    """One case of one operation: `run` gives the device's results, `want` the oracle's, each with its sum's length."""

    operation: str
    case: str
    run: Callable[[], tuple]
    want: Callable[[], tuple[tuple[np.ndarray, float, float | None], ...]]  # (values, terms, scale)


@dataclass
class Row:
    """What became of one variant and dtype over all cases."""

    operation: str
    variant: str
    dtype: str
    ran: int = 0
    refused: int = 0
    worst: float = 0.0  # error over what is allowed
    worst_case: str = ""
    failures: list[str] = field(default_factory=list)


def numpy_dtype(name: str) -> np.dtype:
    """NumPy's dtype; bfloat16 comes from ml_dtypes."""
    if name == "bfloat16":
        try:
            return np.dtype(importlib.import_module("ml_dtypes").bfloat16)
        except ModuleNotFoundError as error:
            raise DeviceError("bfloat16 needs ml_dtypes; install it with `pip install ml_dtypes`") from error
    return np.dtype(name)


def allowed(want: np.ndarray, terms: float, dtype: str, scale: float | None) -> float:
    """The sum's tolerance in the accumulation type, plus one rounding to 16 bits where that is the storage."""
    close = reference("close")
    wide = dtype in ("float32", "float64")
    bound = close.tolerance(want, terms, dtype if wide else "float32", scale)
    largest = scale or float(np.max(np.abs(want), initial=0.0)) or 1.0
    return bound if wide else bound + close.EPS[dtype] * largest


def compare(got: Any, want: np.ndarray, terms: float, dtype: str, scale: float | None = None) -> float:
    """Worst error as a part of what is allowed: above 1 is a mismatch, and so is anything that is not finite."""
    values = backend.to_numpy(got).astype(np.float64)
    if values.shape != want.shape:
        return float("inf")
    if not want.size:
        return 0.0
    if np.issubdtype(got.dtype, np.integer):
        return 0.0 if np.array_equal(values, want) else float("inf")
    if not np.isfinite(values).all():
        return float("inf")
    return float(np.max(np.abs(values - want))) / allowed(want, terms, dtype, scale)


def tasks(device: str, dtype: str, light: bool = True) -> Iterator[Task]:
    """Every case of every operation, with arrays of this dtype on this device."""
    cases, kind = reference("cases"), numpy_dtype(dtype)

    def give(array: Any) -> Any:
        return None if array is None else backend.to_device(array.astype(kind), device)

    def chosen(table: list) -> list:
        return cases.light(table) if light else table

    from gpunn.cuda.verify_tasks import conv_tasks, norm_tasks, pool_tasks

    yield from conv_tasks("conv2d", chosen(cases.ALL_CONV2D), give)
    yield from conv_tasks("conv3d", chosen(cases.CONV3D), give)
    yield from pool_tasks(chosen(cases.ALL_POOL), cases.ADAPTIVE, give)
    yield from norm_tasks(chosen(cases.ALL_BATCHNORM), give)


def check(task: Task, operation: Operation, rows: dict[str, Row], dtype: str) -> None:
    """Run a task through each variant of its operation, into the variants' rows."""
    want = None
    for variant in operation.variants:
        row = rows.setdefault(variant.name, Row(operation.name, variant.name, dtype))
        try:
            with use_variant(operation.name, variant.name):
                got = task.run()
        except ValueError as error:
            if "does not take this call" not in str(error):
                raise
            row.refused += 1
            continue
        want = task.want() if want is None else want
        row.ran += 1
        for one, (values, terms, scale) in zip(got, want, strict=True):
            error = compare(one, values, terms, dtype, scale)
            if error > row.worst or not row.worst_case:
                row.worst, row.worst_case = error, task.case
            if error > 1:
                row.failures.append(task.case)


def verify(device: str, only: str = "", dtypes: tuple[str, ...] = tuple(STORAGE)) -> list[Row]:
    """A row for each variant and dtype, worst error included. `only` keeps operations whose name contains it."""
    rows: dict[tuple[str, str], dict[str, Row]] = {}
    wanted = [name for name in OPERATIONS if only in name]
    if not wanted:
        raise UsageError(f"verify: --only {only!r} matches no operation; expected a part of {', '.join(OPERATIONS)}")
    for dtype in dtypes:
        for task in tasks(device, dtype):
            if task.operation in wanted:
                check(task, OPERATIONS[task.operation], rows.setdefault((task.operation, dtype), {}), dtype)
    return [row for group in rows.values() for row in group.values()]


def table(rows: list[Row]) -> str:
    """The rows as aligned text, worst error as a part of what is allowed."""
    titles = ("operation", "variant", "dtype", "cases", "not taken", "worst/allowed")
    lines = ["{:<28} {:<12} {:<9} {:>5} {:>9} {:>13}  worst case".format(*titles)]
    for row in rows:
        worst = f"{row.worst:.3f}" if row.ran else "-"
        mark = "  MISMATCH" if row.failures else ""
        lines.append(
            f"{row.operation:<28} {row.variant:<12} {row.dtype:<9} {row.ran:>5} {row.refused:>9} {worst:>13}"
            f"  {row.worst_case}{mark}"
        )
    return "\n".join(lines)


def main(args: Any) -> int:
    """args.device ("cuda", "emulator"; None: cuda where there is one), args.only. Prints the table; 1 on a mismatch."""
    device = args.device or ("cuda" if backend.is_available("cuda") else "emulator")
    if str(device) == "cpu":
        raise UsageError("verify: --device cpu runs no kernel; expected cuda or emulator")
    started = time.perf_counter()
    rows = verify(str(device), args.only or "")
    print(table(rows))
    bad = sorted({f"{row.operation} {row.variant} {row.dtype}" for row in rows if row.failures})
    ran = sum(row.ran for row in rows)
    print(f"\n{ran} runs on {device} in {time.perf_counter() - started:.1f} s, {len(bad)} variants with a mismatch")
    for name in bad:
        print(f"MISMATCH: {name}")
    return 1 if bad else 0
