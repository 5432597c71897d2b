"""Matrix products, through whatever the device's twin calls."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np

from bench.kernels import oracle
from bench.kernels.oracle import Expected
from bench.kernels.subjects.base import PRECISIONS, SIZES, Subject, rounded
from gpunn import backend


def gemm(case: Any, device: str, precision: str, wanted: list[str]) -> Iterator[Subject]:
    dtype = PRECISIONS[precision]
    rng = np.random.default_rng(case.M + case.L + case.K)
    a, b = rounded((rng.standard_normal((case.M, case.L)), rng.standard_normal((case.L, case.K))), dtype)
    A, B = (backend.to_device(array, device) for array in (a, b))
    twin = backend.twins(A).matmul
    rows = np.unique(oracle.sample((case.M,), 24)[:, 0])

    def expect() -> list[Expected]:
        want = oracle.f64(a[rows]) @ oracle.f64(b)
        return [Expected(want, case.L, lambda y: y[backend.asarray(rows, device=device)])]

    cost = 2 * case.M * case.K * case.L, SIZES[dtype] * (case.M * case.L + case.L * case.K + case.M * case.K)
    given = SimpleNamespace(kind="gemm.product", case=case, x=a, w=b)
    title = f"{case.M}x{case.L} times {case.L}x{case.K}"
    for name in wanted:
        yield Subject(case.name, title, name, precision, lambda: (twin.matmul(A, B),), expect, given, {}, cost)
