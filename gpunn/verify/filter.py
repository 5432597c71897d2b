"""The tasks of `gpunn verify` for filters of images."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from gpunn.cuda import filter as subject
from gpunn.reference.filter import FILTERS, FilterCase, forward, grad_input, grad_kernel
from gpunn.verify.task import Give, Task, as_f64, placed


def filter_tasks(give: Give) -> Iterator[Task]:
    """Every case, and off 16 bytes."""
    for case in FILTERS:
        x, kernel, gy = (give(a) for a in case.arrays())
        yield from _tasks(case, case.name, x, kernel, gy)
        yield from _tasks(case, f"{case}, unaligned", placed(x, "unaligned"), kernel, placed(gy, "unaligned"))


def _tasks(case: FilterCase, name: str, x: Any, kernel: Any, gy: Any) -> Iterator[Task]:
    taps, border, places = math.prod(case.size), case.border, math.prod(case.x)

    def want() -> tuple:
        return ((forward(as_f64(x), as_f64(kernel), border), taps, None),)

    def want_input() -> tuple:
        return ((grad_input(as_f64(gy), as_f64(kernel), border), taps, None),)

    def want_kernel() -> tuple:
        return ((grad_kernel(as_f64(gy), as_f64(x), case.size, border), places, None),)

    yield Task("filter.forward", name, lambda: (subject.forward(x, kernel, border),), want)
    yield Task("filter.grad_input", name, lambda: (subject.grad_input(gy, kernel, border),), want_input)
    run_kernel = lambda: (subject.grad_kernel(gy, x, case.size, border),)  # noqa: E731
    yield Task("filter.grad_kernel", name, run_kernel, want_kernel)
