"""The tasks of `gpunn verify` for pooling of every kind, and for the gradient from places."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import cache
from itertools import product

import numpy as np

from gpunn.backend import Array, to_device, twins
from gpunn.cuda import pool_places
from gpunn.reference import naive
from gpunn.reference.places import PLACES, scatter
from gpunn.reference.shapes import AdaptiveCase, NormPoolCase, PoolCase
from gpunn.verify.task import Give, Part, Task, as_f64, orders, planes
from gpunn.window import Window

NOWHERE = "verify", (), (), ""  # the words of an error that no case makes


def pool_case(case: PoolCase, name: str, x: Array, gy: Array) -> Iterator[Task]:
    """Max and average pooling, forward and backward, and the winners' places, there and back."""
    yield from _max_case(case, name, x, gy)
    if case.average:
        yield from _avg_case(case, name, x, gy)


def _max_case(case: PoolCase, name: str, x: Array, gy: Array) -> Iterator[Task]:
    win, pool = case.window(), twins(x).pool

    def oracle(part: Part) -> tuple:
        xs = as_f64(planes(x, part))
        return naive.max_pool(xs, case.size, case.stride, case.padding, case.dilation, case.ceil_mode)

    def want(part: Part = None) -> tuple:
        y, window, _ = oracle(part)
        return (y, 1, None), (window, 1, None)

    def want_backward(part: Part = None) -> tuple:
        gys, shape = as_f64(planes(gy, part)), planes(x, part).shape
        return ((naive.max_pool_backward(gys, oracle(part)[2], shape), win.positions, None),)

    yield Task("pool.max_forward", name, lambda: pool.max_forward(x, win, case.ceil_mode), want, planes)
    index = cache(lambda: pool.max_forward(x, win, case.ceil_mode)[1])  # made when asked for, as all else is
    run_backward = lambda: (pool.max_backward(gy, index(), x.shape, win),)  # noqa: E731
    yield Task("pool.max_backward", name, run_backward, want_backward, planes, index)
    run_places = lambda: (pool.places(index(), x.shape, win),)  # noqa: E731
    yield Task("pool.places", name, run_places, lambda part=None: ((oracle(part)[2], 1, None),), planes, index)
    yield _positions_task(name, x.shape, lambda: run_places()[0], win, lambda part: oracle(part)[1:])


def _avg_case(case: PoolCase, name: str, x: Array, gy: Array) -> Iterator[Task]:
    win, how, pool = case.window(), (case.ceil_mode, case.count_include_pad), twins(x).pool
    geometry = (case.size, case.stride, case.padding, *how)

    def want(part: Part = None) -> tuple:
        return ((naive.avg_pool(as_f64(planes(x, part)), *geometry), win.positions, None),)

    def want_backward(part: Part = None) -> tuple:
        gys, shape = as_f64(planes(gy, part)), planes(x, part).shape
        return ((naive.avg_pool_backward(gys, shape, *geometry), win.positions, None),)

    yield Task("pool.avg_forward", name, lambda: (pool.avg_forward(x, win, *how),), want, planes)
    run_backward = lambda: (pool.avg_backward(gy, x.shape, win, *how),)  # noqa: E731
    yield Task("pool.avg_backward", name, run_backward, want_backward, planes)


def adaptive_case(case: AdaptiveCase, name: str, x: Array, gy: Array) -> Iterator[Task]:
    """Adaptive pooling, forward and backward, and the winners' places."""
    terms, out, pool = math.prod(x.shape[2:]), case.out, twins(x).adaptive_pool

    def oracle(part: Part) -> tuple:
        return naive.adaptive_max_pool(as_f64(planes(x, part)), out)

    def want_max(part: Part = None) -> tuple:
        y, place, _ = oracle(part)
        return (y, 1, None), (place, 1, None)

    def want_max_backward(part: Part = None) -> tuple:
        gys, shape = as_f64(planes(gy, part)), planes(x, part).shape
        return ((naive.max_pool_backward(gys, oracle(part)[2], shape), terms, None),)

    def want_places(part: Part = None) -> tuple:
        return ((oracle(part)[2], 1, None),)

    def want_avg(part: Part = None) -> tuple:
        return ((naive.adaptive_avg_pool(as_f64(planes(x, part)), out), terms, None),)

    def want_avg_backward(part: Part = None) -> tuple:
        gys, shape = as_f64(planes(gy, part)), planes(x, part).shape
        return ((naive.adaptive_avg_pool_backward(gys, shape), terms, None),)

    index = cache(lambda: pool.max_forward(x, out)[1])
    for operation, run, want, *ready in (
        ("avg_forward", lambda: (pool.avg_forward(x, out),), want_avg),
        ("avg_backward", lambda: (pool.avg_backward(gy, x.shape),), want_avg_backward),
        ("max_forward", lambda: pool.max_forward(x, out), want_max),
        ("max_backward", lambda: (pool.max_backward(gy, index(), x.shape),), want_max_backward, index),
    ):
        yield Task(f"pool.adaptive_{operation}", name, run, want, planes, *ready)
    yield Task("pool.places", name, lambda: (pool.places(index(), x.shape),), want_places, planes, index)
    yield _positions_task(name, x.shape, lambda: pool.places(index(), x.shape), None, lambda part: oracle(part)[1:])


def norm_pool_case(case: NormPoolCase, name: str, x: Array, gy: Array) -> Iterator[Task]:
    """Norm pooling, forward and backward."""
    win, pool, geometry = case.window(), twins(x).norm_pool, (case.size, case.stride, case.power, case.ceil_mode)
    forward = cache(lambda: pool.forward(x, win, case.ceil_mode, case.power))

    def want(part: Part = None) -> tuple:
        return ((naive.norm_pool(as_f64(planes(x, part)), *geometry), win.positions, None),)

    def want_backward(part: Part = None) -> tuple:
        gys, xs, ys = (as_f64(planes(array, part)) for array in (gy, x, forward()))
        return ((naive.norm_pool_backward(gys, xs, ys, *geometry), win.positions, None),)

    yield Task("pool.norm_forward", name, lambda: (pool.forward(x, win, case.ceil_mode, case.power),), want, planes)
    run_backward = lambda: (pool.backward(gy, x, forward(), win, case.ceil_mode, case.power),)  # noqa: E731
    yield Task("pool.norm_backward", name, run_backward, want_backward, planes, forward)


def _positions_task(
    name: str,
    x_shape: tuple[int, ...],
    places: Callable[[], Array],
    win: Window | None,
    oracle: Callable[[Part], tuple[np.ndarray, np.ndarray]],
) -> Task:
    """Places as positions in their windows; `oracle` gives these, and the places, of which -1 has no position."""
    given = cache(places)

    def want(part: Part = None) -> tuple:
        position, place = oracle(part)
        nowhere = 255 if win is None or win.positions <= 256 else 65535  # an adaptive window always has a winner
        return ((np.where(place < 0, nowhere, position), 1, None),)

    run = lambda: (pool_places.positions(given(), x_shape, win, NOWHERE),)  # noqa: E731
    return Task("pool.positions", name, run, want, planes, given)


def scatter_tasks(device: str, give: Give) -> Iterator[Task]:
    """Every case of places that no windows gave, in both memory orders, of both types."""
    for case, kind in product(PLACES, (np.int64, np.int32)):
        gy, place = case.arrays()
        there = orders(to_device(place.astype(kind), device))
        for (order, above), (_, at) in zip(orders(give(gy)), there, strict=True):
            x_shape = (*case.batch, 1, case.inputs)

            def run(above=above, at=at, x_shape=x_shape):
                return (pool_places.scatter(above, at, x_shape, NOWHERE),)

            def want(above=above, place=place, case=case):
                return ((scatter(as_f64(above), place, case.inputs), case.outputs, None),)

            yield Task("pool.scatter", f"{case.name}, {np.dtype(kind)}{order}", run, want)
