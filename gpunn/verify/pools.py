"""The tasks of `gpunn verify` for adaptive and norm pooling."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cache

from gpunn.backend import Array, twins
from gpunn.reference import cases, naive
from gpunn.verify.task import Part, Task, as_f64, planes


def adaptive_case(case: cases.AdaptiveCase, name: str, x: Array, gy: Array) -> Iterator[Task]:
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


def norm_pool_case(case: cases.NormPoolCase, name: str, x: Array, gy: Array) -> Iterator[Task]:
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
