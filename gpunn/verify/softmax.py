"""The tasks of `gpunn verify` for softmax."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gpunn.cuda import softmax
from gpunn.reference.softmax import SOFTMAXES, SoftmaxCase, backward, forward
from gpunn.verify.task import Give, Task, as_f64, orders, placed


def softmax_tasks(give: Give) -> Iterator[Task]:
    """Every case as it comes, with its axes in another order of memory, and off 16 bytes."""
    for case in SOFTMAXES:
        x, gy = (give(a) for a in case.arrays())
        for log in (False, True):
            name = f"{case}{', logarithm' if log else ''}"
            y = give(forward(as_f64(x), case.axis, log))
            for (order, below), (_, made), (_, above) in zip(orders(x), orders(y), orders(gy), strict=True):
                yield from _tasks(case, f"{name}{order}", below, made, above, log)
            if not log:
                below, made, above = (placed(a, "unaligned") for a in (x, y, gy))
                yield from _tasks(case, f"{name}, unaligned", below, made, above, log)


def _tasks(case: SoftmaxCase, name: str, x: Any, y: Any, gy: Any, log: bool) -> Iterator[Task]:
    axis, terms = case.axis, case.rows[1] + 16 * case.spread

    def want() -> tuple:
        return ((forward(as_f64(x), axis, log), terms, None),)

    def want_backward() -> tuple:
        return ((backward(as_f64(gy), as_f64(y), axis, log), terms, None),)

    yield Task("softmax.forward", name, lambda: (softmax.forward(x, axis, log),), want)
    yield Task("softmax.backward", name, lambda: (softmax.backward(gy, y, axis, log),), want_backward)
