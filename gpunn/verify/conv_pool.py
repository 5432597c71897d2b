"""The tasks of `gpunn verify` for convolutions that activate and pool their output, and for the way back."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from itertools import product

import numpy as np

from gpunn.backend import Array, twins
from gpunn.reference import cases
from gpunn.reference import conv_pool as reference
from gpunn.reference.shapes import ConvCase, PoolCase
from gpunn.verify.space import Beyond, Space, numbers
from gpunn.verify.task import Give, Task, as_f64
from gpunn.window import Window

SAMPLES = 2**20 + 2  # of 2,048 inputs of a pooling each


def conv_pool_tasks(give: Give) -> Iterator[Task]:
    """Forward of each case; a pooling's gradient through an activation."""
    narrow = give(np.zeros(1)).dtype.itemsize < 4
    for case in reference.CONV_POOL:
        if not narrow or case.conv.w[1:] == (3, 3, 3):  # one build of the kernel in each 16-bit type
            yield _forward(case, give)
    for activation, case in reference.pools_behind(cases.POOL):
        yield from _backward(case, activation, give)


def _forward(case: reference.ConvPoolCase, give: Give) -> Task:
    x, w, b = map(give, case.arrays())

    def run() -> tuple:
        how = case.conv.window(), case.conv.groups, case.activation, case.pooling(), True
        y, kept = twins(x).conv_pool.forward(x, w, b, *how)
        return (y, *kept[:1]) if case.kind == "max" or case.activation else (y,)

    def want() -> tuple:
        y, a, index = reference.forward(case, as_f64(x), as_f64(w), as_f64(b))
        exact = case.kind == "max" and case.activation == "relu"
        first = y, 0 if exact else case.conv.terms, None
        if case.kind == "max":
            return first, (index, 0, None)
        return (first, (a, case.conv.terms, None)) if case.activation else (first,)

    return Task("conv_pool.forward", case.name, run, want)


def _backward(case: PoolCase, activation: str, give: Give) -> Iterator[Task]:
    numbers, above = case.arrays()
    a: Array = give(reference.activated(activation, numbers))
    gy, win = give(above), case.window()

    def run(kind: str, flat: bool) -> tuple:
        twin = twins(a)
        if kind == "max":
            y, index = twin.pool.max_forward(a, win, case.ceil_mode)
            kept = index, y
        else:
            kept = (a,)
        pool = replace(_of_kind(cases.CONV2D[0], kind, case), flat=flat).pooling()
        above = gy.reshape(len(gy), math.prod(gy.shape[1:])) if flat else gy
        return (twin.conv_pool.backward(above, kept, a.shape, activation, pool),)

    def want(kind: str) -> tuple:
        oracle = reference.max_backward if kind == "max" else reference.avg_backward
        return ((oracle(as_f64(gy), as_f64(a), activation, case), 4 * win.positions, None),)

    for kind, flat in product(("max", "avg"), (False, True)):
        name, runs = f"{case.name}{', flat' * flat}", partial(run, kind, flat)
        yield Task(f"pool.{kind}_backward", name, runs, partial(want, kind))


def beyond_conv_pool(space: Space) -> Iterator[Beyond]:
    """The convolution's outputs are past 2^31; so are a pooling's inputs and outputs on the way back."""
    win = Window.of(5, 1, 2)
    last, weight = numbers("x", 1, 16, 16), numbers("weight", 8, 1, 5, 5) / 8
    conv = ConvCase("pixels", (1, 1, 16, 16), (8, 1, 5, 5), padding=(2, 2), bias=False)

    def forward(kind: str, samples: int) -> tuple:
        case = _of_kind(conv, kind)
        x, w = space.image(samples, last), space.give(weight)
        y, kept = space.twins.conv_pool.forward(x, w, None, win, 1, "relu", case.pooling(), True)
        return y[-1:], kept[0][-1:]

    def want(kind: str) -> tuple:
        y, a, index = reference.forward(_of_kind(conv, kind), last[None].astype(float), weight.astype(float), None)
        return (y, conv.terms, None), (a if index is None else index, conv.terms, None)

    for kind, samples, memory in (("max", 8 * SAMPLES, 17), ("avg", SAMPLES, 6)):  # 2^31 pixels, 2^31 outputs
        run, wanted = partial(forward, kind, samples), partial(want, kind)
        yield Beyond("conv_pool.forward", kind, memory, 32, run, wanted)
    yield from _beyond_backward(space)


def _beyond_backward(space: Space) -> Iterator[Beyond]:
    case = PoolCase("2^31 inputs", (1, 8, 16, 16), (3, 3), (1, 1), (1, 1))
    a, win = np.maximum(numbers("a", 8, 16, 16), 0), case.window()

    def run(kind: str) -> tuple:
        x, twin = space.image(SAMPLES, a), space.twins
        kept = twin.pool.max_forward(x, win, False)[::-1] if kind == "max" else (x,)
        pool = _of_kind(cases.CONV2D[0], kind, case).pooling()
        return (twin.conv_pool.backward(x, kept, x.shape, "relu", pool)[-1:],)

    def want(kind: str) -> tuple:
        oracle = reference.max_backward if kind == "max" else reference.avg_backward
        values = a[None].astype(float)
        return ((oracle(values, values, "relu", case), 9, None),)

    for kind in ("max", "avg"):
        yield Beyond(f"pool.{kind}_backward", "through relu", 16, 32, partial(run, kind), partial(want, kind))


def _of_kind(conv: ConvCase, kind: str, pool: PoolCase | None = None) -> reference.ConvPoolCase:
    pool = pool or PoolCase(conv.name, conv.y, (2, 2), (2, 2))
    return reference.ConvPoolCase(conv.name, conv, "relu", kind, pool)
