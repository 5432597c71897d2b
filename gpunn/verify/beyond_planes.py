"""Poolings past 2^31 elements."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np

from gpunn.backend import Array, faults
from gpunn.cuda import pool_places
from gpunn.errors import PlaceError
from gpunn.reference import naive
from gpunn.verify.pools import NOWHERE
from gpunn.verify.space import Beyond, Space, exact, numbers
from gpunn.window import Window, size_text

SAMPLES, SAMPLE = 2**20 + 2, (8, 16, 16)
WINDOW = Window.of(3, 1, 1)


def poolings(space: Space) -> Iterator[Beyond]:
    """Each in both memory orders; row-major also where samples times channels are past 2^31."""
    for channels_last, order in ((True, "channels-last"), (False, "row-major")):
        yield from _windows(space, channels_last, order)
        yield from _adaptive(space, channels_last, order, (17, 16))
        yield from _adaptive(space, channels_last, order, (1, 1))
        yield from _norms_of_windows(space, channels_last, order)
        yield _means(space, channels_last, order)
    yield _planes(space)
    yield from _rows(space)


def _windows(space: Space, channels_last: bool, order: str) -> Iterator[Beyond]:
    last, how = numbers("x", *SAMPLE), (WINDOW.size, WINDOW.stride, WINDOW.padding)

    def x() -> Array:
        return space.image(SAMPLES, last, channels_last)

    def max_forward() -> tuple:
        return tuple(found[-1:] for found in space.twins.pool.max_forward(x(), WINDOW, False))

    def max_backward() -> tuple:
        index = space.twins.pool.max_forward(x(), WINDOW, False)[1]
        return (space.twins.pool.max_backward(x(), index, (SAMPLES, *SAMPLE), WINDOW)[-1:],)

    def avg_forward() -> tuple:
        return (space.twins.pool.avg_forward(x(), WINDOW, False, False)[-1:],)

    def avg_backward() -> tuple:
        return (space.twins.pool.avg_backward(x(), (SAMPLES, *SAMPLE), WINDOW, False, True)[-1:],)

    def want_backward() -> tuple:
        plane = naive.max_pool(last[None], *how, (1, 1))[2]
        return exact(naive.max_pool_backward(last[None], plane, (1, *SAMPLE)))

    def want_avg() -> tuple:
        return ((naive.avg_pool(last[None], *how, False, False), 9, None),)

    def want_avg_backward() -> tuple:
        return ((naive.avg_pool_backward(last[None], (1, *SAMPLE), *how, False, True), 9, None),)

    def want_max() -> tuple:
        return exact(*naive.max_pool(last[None], *how, (1, 1))[:2])

    def places() -> tuple:
        index = space.twins.pool.max_forward(x(), WINDOW, False)[1]
        return (space.twins.pool.places(index, (SAMPLES, *SAMPLE), WINDOW)[-1:],)

    def want_places() -> tuple:
        return exact(naive.max_pool(last[None], *how, (1, 1))[2])

    def at_places() -> tuple[Array, Array]:
        """x and places of it past 2^31, those of the last sample alone."""
        winners = naive.max_pool(last[None], *how, (1, 1))[2]
        return x(), space.image(SAMPLES, winners[0], channels_last, winners.dtype)

    def put_back(found: Array) -> tuple:
        if space.on_emulator:  # the last block that would have put the ticket back is not the last of all
            faults.watch(found, PlaceError.of, *NOWHERE)[0][0] = 0
        return (found[-1:],)

    def positions() -> tuple:
        return put_back(pool_places.positions(at_places()[1], (SAMPLES, *SAMPLE), WINDOW, NOWHERE))

    def scatter() -> tuple:
        return put_back(pool_places.scatter(*at_places(), (SAMPLES, *SAMPLE), NOWHERE))

    yield Beyond("pool.places", order, 28, 32, places, want_places)
    yield Beyond("pool.positions", order, 24, 2, positions, lambda: want_max()[1:])
    yield Beyond("pool.scatter", order, 27, 8, scatter, want_backward)
    yield Beyond("pool.max_forward", order, 12, 32, max_forward, want_max)
    yield Beyond("pool.max_backward", order, 16, 32, max_backward, want_backward)
    yield Beyond("pool.avg_forward", order, 10, 32, avg_forward, want_avg)
    yield Beyond("pool.avg_backward", order, 10, 32, avg_backward, want_avg_backward)


def _norms_of_windows(space: Space, channels_last: bool, order: str) -> Iterator[Beyond]:
    """Windows side by side, and such that overlap."""
    for win in (Window.of(2, 2), Window.of(3, 1)):
        out = win.out(SAMPLE[1:], False)
        below, above = numbers("x", *SAMPLE), numbers("gy", SAMPLE[0], *out)
        norm = np.abs(above) + 1  # whatever it is, the slope is by it
        given = above, below, norm

        def forward(win: Window = win, below: np.ndarray = below) -> tuple:
            return (space.twins.norm_pool.forward(space.image(SAMPLES, below, channels_last), win, False, 2.0)[-1:],)

        def backward(win: Window = win, given: tuple[np.ndarray, ...] = given) -> tuple:
            gy, x, y = (space.image(SAMPLES, a, channels_last) for a in given)
            return (space.twins.norm_pool.backward(gy, x, y, win, False, 2.0)[-1:],)

        def want(win: Window = win, below: np.ndarray = below) -> tuple:
            return ((naive.norm_pool(below[None].astype(float), win.size, win.stride, 2.0), 9, None),)

        def want_backward(win: Window = win, given: tuple[np.ndarray, ...] = given) -> tuple:
            gy, x, y = (a[None].astype(float) for a in given)
            return ((naive.norm_pool_backward(gy, x, y, win.size, win.stride, 2.0), 9, None),)

        name = f"{order}, {size_text(win.size)}"
        yield Beyond("pool.norm_forward", name, 10, 32, forward, want)
        yield Beyond("pool.norm_backward", name, 18, 32, backward, want_backward)


def _adaptive(space: Space, channels_last: bool, order: str, out: tuple[int, int]) -> Iterator[Beyond]:
    below, above, shape = numbers("x", *SAMPLE), numbers("gy", SAMPLE[0], *out), (SAMPLES, *SAMPLE)
    name = f"{order} to {out}"

    def x() -> Array:
        return space.image(SAMPLES, below, channels_last)

    def avg_forward() -> tuple:
        return (space.twins.adaptive_pool.avg_forward(x(), out)[-1:],)

    def avg_backward() -> tuple:
        gy = space.image(SAMPLES, above, channels_last)
        return (space.twins.adaptive_pool.avg_backward(gy, shape)[-1:],)

    def max_forward() -> tuple:
        return tuple(found[-1:] for found in space.twins.adaptive_pool.max_forward(x(), out))

    def max_backward() -> tuple:
        index = space.twins.adaptive_pool.max_forward(x(), out)[1]
        gy = space.image(SAMPLES, above, channels_last)
        return (space.twins.adaptive_pool.max_backward(gy, index, shape)[-1:],)

    def want_avg() -> tuple:
        return ((naive.adaptive_avg_pool(below[None], out), 256, None),)

    def want_avg_backward() -> tuple:
        return ((naive.adaptive_avg_pool_backward(above[None], (1, *SAMPLE)), 9, None),)

    def want_max_backward() -> tuple:
        plane = naive.adaptive_max_pool(below[None], out)[2]
        return exact(naive.max_pool_backward(above[None], plane, (1, *SAMPLE)))

    yield Beyond("pool.adaptive_avg_forward", name, 11, 32, avg_forward, want_avg)
    yield Beyond("pool.adaptive_avg_backward", name, 11, 32, avg_backward, want_avg_backward)

    def want_max() -> tuple:
        return exact(*naive.adaptive_max_pool(below[None], out)[:2])

    yield Beyond("pool.adaptive_max_forward", name, 21, 32, max_forward, want_max)
    yield Beyond("pool.adaptive_max_backward", name, 28, 32, max_backward, want_max_backward)


def _means(space: Space, channels_last: bool, order: str) -> Beyond:
    """Means of planes (2, 1): outputs are past 2^31 too."""
    last = numbers("x", 8, 2, 1)

    def run() -> tuple:
        return (space.twins.adaptive_pool.avg_forward(space.image(2**28 + 2, last, channels_last), (1, 1))[-1:],)

    def want() -> tuple:
        return exact(last.astype(float).mean((1, 2)).reshape(1, 8, 1, 1))

    return Beyond("pool.adaptive_avg_forward", f"{order}, 2^31 means", 14, 32, run, want)


def _planes(space: Space) -> Beyond:
    """x (2^30 + 2, 2, 2, 1), row-major: the number of a plane is past 2^31, that of a thread past 2^32."""
    last, win = numbers("x", 2, 2, 1), Window.of((2, 1), 1, (1, 0))

    def run() -> tuple:
        x = space.image(2**30 + 2, last, channels_last=False)
        return tuple(found[-1:] for found in space.twins.pool.max_forward(x, win, False))

    def want() -> tuple:
        return exact(*naive.max_pool(last[None], win.size, win.stride, win.padding, (1, 1))[:2])

    return Beyond("pool.max_forward", "2^31 planes", 30, 4, run, want)


def _rows(space: Space) -> Iterator[Beyond]:
    """Windows of two rows, one less than rows: rows times outputs are past 2^31, elements are not."""
    rows, kept = 2**16, 64
    x, gy = numbers("x", 1, 1, rows, 1), numbers("gy", 1, 1, rows - 1, 1)
    first, second = x[:, :, :-1], x[:, :, 1:]
    index = (second > first).astype(np.uint8)
    parts = ((gy, (0, 1)), (gy, (1, 0)), (gy * (index == 0), (0, 1)), (gy * index, (1, 0)))
    around = [np.pad(part.astype(float), ((0, 0), (0, 0), pad, (0, 0))) for part, pad in parts]
    wanted = {
        "avg_forward": ((first.astype(float) + second) / 2,),
        "avg_backward": ((around[0] + around[1]) / 2,),
        "max_forward": (np.maximum(first, second), index),
        "max_backward": (around[2] + around[3],),
    }

    def run(name: str) -> tuple:
        below, above, pool = space.give(x), space.give(gy), space.twins.adaptive_pool
        calls = {
            "avg_forward": lambda: (pool.avg_forward(below, (rows - 1, 1)),),
            "avg_backward": lambda: (pool.avg_backward(above, x.shape),),
            "max_forward": lambda: pool.max_forward(below, (rows - 1, 1)),
            "max_backward": lambda: (pool.max_backward(above, space.give(index), x.shape),),
        }
        return tuple([end[..., -kept:, :] for end in calls[name]()])

    def want(name: str) -> tuple:
        return exact(*(end[..., -kept:, :] for end in wanted[name]))

    for name in wanted:
        yield Beyond(f"pool.adaptive_{name}", "windows of two rows", 0, 4, partial(run, name), partial(want, name))
