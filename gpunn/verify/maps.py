"""The tasks of `gpunn verify` for functions of several arrays, and for arrays laid into larger ones."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gpunn.backend import Array, array_module, twins
from gpunn.layout import channels_first, channels_last
from gpunn.reference import elementwise as oracle
from gpunn.verify.task import Give, Task, as_f64, orders, placed

EVERY_SHAPE = ("copy", "add", "maximum_slope")  # of one, two and three arrays: others walk as these do


def map_tasks(give: Give) -> Iterator[Task]:
    """Every function, those of EVERY_SHAPE on every shape and memory order; a sum in place, and every frame."""
    for seed, name in enumerate(oracle.FUNCTIONS):
        arity = oracle.arity(name)
        shapes = [(case, given[:arity]) for case, *given in oracle.SHAPES if case == "alike" or name in EVERY_SHAPE]
        shapes += [] if name in oracle.OPTIONS else _with_numbers(arity)
        for case, given in shapes:
            arrays = [give(x) for x in oracle.inputs(given, seed)]
            for order, operands in _views(case, arrays) if name in EVERY_SHAPE else [("", arrays)]:
                yield _map(name, f"{name} {case}{order}", operands)
    for case, *given in oracle.SHAPES:
        if given[0] == given[1]:
            yield from _sums(case, *[give(x) for x in oracle.inputs(given[:2], 1)])
    for frame in oracle.FRAMES:
        yield from _frames(give, *frame)


def _with_numbers(arity: int) -> list[tuple[str, tuple]]:
    """Shapes with a number among them: of functions of two, and behind the gradient of those of three."""
    before: tuple = ((3, 16),) * (arity - 2)
    return [(case, (*before, *given)) for case, *given in oracle.WITH_NUMBERS] if arity > 1 else []


def _views(case: str, arrays: list[Array | None]) -> Iterator[tuple[str, list[Array | None]]]:
    """The arrays as they are, and some of them in other places and orders of memory."""
    yield "", arrays
    first = next(x for x in arrays if x is not None)
    if case in ("odd", "rows repeated"):
        yield ", off 16 bytes", [x if x is None else placed(x, "unaligned") for x in arrays]
        yield ", the first reversed", [placed(first, "aligned", reverse=True), *arrays[1:]]
    if case == "alike":
        last: list[Array | None] = [channels_first(channels_last(x).copy(order="C")) for x in arrays if x is not None]
        yield ", channels-last", last
        yield ", the first channels-last", [last[0], *arrays[1:]]
        yield ", every second", [x if x is None else x[:, :, ::2] for x in arrays]
        yield ", a slice of wide rows", [x if x is None else x[..., 1:] for x in arrays]


def _map(name: str, case: str, operands: list[Array | None]) -> Task:
    given = [oracle.NUMBER if x is None else x for x in operands]
    options = oracle.OPTIONS.get(name, ())
    first = next(x for x in operands if x is not None)

    def run() -> tuple:
        return (twins(first).elementwise.apply(name, *given, *options),)

    def want() -> tuple:
        numbers = [np.float64(oracle.NUMBER) if x is None else as_f64(x) for x in operands]
        return ((oracle.value(name, *numbers), 0 if name in oracle.EXACT else 4, None),)

    return Task("elementwise.map", case, run, want)


def _sums(case: str, total: Array, x: Array) -> Iterator[Task]:
    """In place: of arrays in one memory order and in two, and of one that is repeated."""
    views = [("", total, x)] + [(", reversed", total, placed(x, "aligned", reverse=True))] * (total.ndim > 1)
    repeated = array_module(x).broadcast_to(x[:1] * 1, x.shape) if x.ndim and x.shape[0] else x
    for how, one, other in [*views, (", repeated", total, repeated)]:

        def run(one=one, other=other) -> tuple:
            held = one.copy()
            twins(held).elementwise.add_into(held, other)
            return (held,)

        def want(one=one, other=other) -> tuple:
            return ((oracle.value("add", as_f64(one), as_f64(other)), 1, None),)

        yield Task("elementwise.map", f"sum in place, {case}{how}", run, want)


def _frames(
    give: Give, case: str, shape: tuple, whole: tuple, first: tuple, step: tuple
) -> Iterator[Task]:
    numbers = np.random.default_rng(len(shape)).standard_normal(shape)
    for order, x in [*orders(give(numbers)), (", off 16 bytes", placed(give(numbers), "unaligned"))]:
        for number in (0, -2.5):

            def run(x=x, number=number) -> tuple:
                return (twins(x).elementwise.place(x, whole, first, step, number),)

            def want(x=x, number=number) -> tuple:
                return ((oracle.placed(as_f64(x), whole, first, step, number), 0, None),)

            yield Task("elementwise.place", f"{case}{order}, among {number}", run, want)
