"""The tasks of `gpunn verify` for dropout."""

from __future__ import annotations

from collections.abc import Iterator

from gpunn.backend import Array
from gpunn.cuda import dropout
from gpunn.random import Draw
from gpunn.reference.dropout import DROPOUTS, DropCase, drop
from gpunn.verify.task import Give, Task, as_f64, orders


def drop_tasks(give: Give) -> Iterator[Task]:
    """Every case in every memory order; forward and back are one function."""
    for case in DROPOUTS:
        (x,) = (give(a) for a in case.arrays())
        for order, one in orders(x):
            yield _task(case, f"{case}{order}", one)


def _task(case: DropCase, name: str, x: Array) -> Task:
    def run() -> tuple:
        return (dropout.drop(x, case.mask, case.p, Draw(*case.draw))[1](x),)

    return Task("dropout.drop", name, run, lambda: ((drop(case, as_f64(x)), 1, None),))
