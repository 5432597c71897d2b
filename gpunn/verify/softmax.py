"""The tasks of `gpunn verify` for softmax."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gpunn.backend import to_device
from gpunn.cuda import masked_softmax, softmax
from gpunn.reference.softmax import MASKED, SOFTMAXES, MaskedCase, SoftmaxCase, backward, forward, masked
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


def masked_tasks(device: str, give: Give) -> Iterator[Task]:
    """Every case, and off 16 bytes, its mask backwards in memory."""
    for case in MASKED:
        values, mask = case.arrays()
        x = give(values)
        yield _masked(case, case.name, x, mask, None if mask is None else to_device(mask, device))
        turned = None if mask is None else to_device(mask[..., ::-1].copy(), device)[..., ::-1]
        yield _masked(case, f"{case.name}, unaligned", placed(x, "unaligned"), mask, turned)


def _masked(case: MaskedCase, name: str, x: Any, mask: Any, given: Any) -> Task:
    def want() -> tuple:
        return ((masked(as_f64(x), mask, case.causal, case.scale), case.x[-1] + 16, None),)

    run = lambda: (masked_softmax.forward(x, given, case.causal, case.scale),)  # noqa: E731
    return Task("softmax.masked", name, run, want)


def _tasks(case: SoftmaxCase, name: str, x: Any, y: Any, gy: Any, log: bool) -> Iterator[Task]:
    axis, terms = case.axis, case.rows[1] + 16 * case.spread

    def want() -> tuple:
        return ((forward(as_f64(x), axis, log), terms, None),)

    def want_backward() -> tuple:
        return ((backward(as_f64(gy), as_f64(y), axis, log), terms, None),)

    yield Task("softmax.forward", name, lambda: (softmax.forward(x, axis, log),), want)
    yield Task("softmax.backward", name, lambda: (softmax.backward(gy, y, axis, log),), want_backward)
