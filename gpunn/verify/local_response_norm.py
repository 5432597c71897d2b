"""The tasks of `gpunn verify` for local response normalisation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from gpunn.cuda import local_response_norm
from gpunn.reference.local_response_norm import FAR, LRNS, LrnCase, backward, forward
from gpunn.verify.task import Give, Task, as_f64, orders, placed


def lrn_tasks(give: Give) -> Iterator[Task]:
    """Every case in every memory order, and off 16 bytes."""
    is_far = give(np.zeros(1)).dtype.name == "float32"
    for case in LRNS + FAR * is_far:
        x, gy = (give(a) for a in case.arrays())
        for (order, below), (_, above) in zip(orders(x), orders(gy), strict=True):
            yield from _tasks(case, f"{case}{order}", below, above)
        yield from _tasks(case, f"{case}, unaligned", placed(x, "unaligned"), placed(gy, "unaligned"))


def _tasks(case: LrnCase, name: str, x: Any, gy: Any) -> Iterator[Task]:
    size, numbers = case.size, case.numbers

    def run() -> tuple:
        return (local_response_norm.forward(x, size, *numbers)[0],)

    def want() -> tuple:
        return ((forward(as_f64(x), size, *numbers)[0], 16 * size, None),)

    def run_backward() -> tuple:
        _, kept = local_response_norm.forward(x, size, *numbers)
        return (local_response_norm.backward(gy, x, kept, size, *numbers),)

    def want_backward() -> tuple:
        return ((backward(as_f64(gy), as_f64(x), size, *numbers), 16 * size, None),)

    yield Task("local_response_norm.forward", name, run, want)
    yield Task("local_response_norm.backward", name, run_backward, want_backward)
