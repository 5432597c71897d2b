"""What normalises rows, past 2^31 elements."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from gpunn.backend import Array
from gpunn.cuda import masked_softmax
from gpunn.reference import local_response_norm as window
from gpunn.reference import softmax as oracle
from gpunn.reference.group_norm import groups_backward, groups_forward, rows_backward, rows_forward
from gpunn.verify.space import Beyond, Space, numbers

ROWS, LENGTH, KEPT, EPS = 2**20 + 2, 2056, 2, 1e-5


def rows(space: Space) -> Iterator[Beyond]:
    """What normalises rows, each or by the scores of an axis."""
    yield from _layers(space)
    for channels_last in (True, False):
        yield from _groups(space, channels_last)
        yield from _windows(space, channels_last)
    for across in (False, True):
        yield from _scores(space, across)
    yield _planes(space)


def _layers(space: Space) -> Iterator[Beyond]:
    """x (2^20 + 2, 2056), of which the last rows are not zero."""
    below, above = numbers("x", KEPT, LENGTH), numbers("gy", KEPT, LENGTH)
    _, mean, rstd = rows_forward(below, None, None, EPS)

    def spread(values: np.ndarray) -> Array:
        made = space.zeros(ROWS, *values.shape[1:], dtype=values.dtype)
        made[-KEPT:] = space.give(values)
        return made

    def forward() -> tuple:
        return tuple([a[-KEPT:] for a in space.twins.group_norm.layer_forward(spread(below), None, None, EPS)])

    def backward() -> tuple:
        middle, scale = (spread(a.astype(np.float32)) for a in (mean, rstd))
        gx, *_ = space.twins.group_norm.layer_backward(spread(above), spread(below), None, middle, scale, False)
        return (gx[-KEPT:],)

    def want() -> tuple:
        return tuple([(a, LENGTH, None) for a in rows_forward(below, None, None, EPS)])

    def want_backward() -> tuple:
        return ((rows_backward(above, below, None, mean, rstd)[0], LENGTH, None),)

    yield Beyond("group_norm.layer_forward", "2^20 rows", 10, 2, forward, want)
    yield Beyond("group_norm.layer_backward", "2^20 rows", 15, 2, backward, want_backward)


def _groups(space: Space, channels_last: bool) -> Iterator[Beyond]:
    """x (2^20 + 2, 514, 4) in two groups of channels, of which the last samples are not zero."""
    channels, groups = LENGTH // 4, 2
    below, above = (numbers(name, KEPT, channels, 4) for name in ("x", "gy"))
    _, mean, rstd = groups_forward(below, groups, None, None, EPS)

    def spread(values: np.ndarray) -> Array:
        if values.ndim == 2:
            made = space.zeros(ROWS, groups, dtype=values.dtype)
        elif channels_last:
            made = space.zeros(ROWS, 4, channels).transpose(0, 2, 1)
        else:
            made = space.zeros(ROWS, channels, 4)
        made[-KEPT:] = space.give(values)
        return made

    def forward() -> tuple:
        return tuple([a[-KEPT:] for a in space.twins.group_norm.group_forward(spread(below), groups, None, None, EPS)])

    def backward() -> tuple:
        middle, scale = (spread(a.astype(np.float32)) for a in (mean, rstd))
        found = space.twins.group_norm.group_backward(spread(above), spread(below), groups, None, middle, scale, False)
        return (found[0][-KEPT:],)

    def want() -> tuple:
        return tuple([(a, LENGTH, None) for a in groups_forward(below, groups, None, None, EPS)])

    def want_backward() -> tuple:
        return ((groups_backward(above, below, groups, None, mean, rstd)[0], LENGTH, None),)

    name = f"2^20 samples{', channels-last' * channels_last}"
    yield Beyond("group_norm.group_forward", name, 10, 4, forward, want)
    yield Beyond("group_norm.group_backward", name, 15, 4, backward, want_backward)


def _windows(space: Space, channels_last: bool) -> Iterator[Beyond]:
    """x (2^20 + 2, 514, 4) over five channels, of which the last samples are not zero."""
    numbers_of = 5, 0.5, 0.75, 2.0  # size, alpha, beta, k
    below, above = (numbers(name, KEPT, LENGTH // 4, 4) for name in ("x", "gy"))

    def spread(values: np.ndarray) -> Array:
        shape = (ROWS, 4, LENGTH // 4) if channels_last else (ROWS, LENGTH // 4, 4)
        made = space.zeros(*shape, dtype=values.dtype)
        made = made.transpose(0, 2, 1) if channels_last else made
        made[-KEPT:] = space.give(values)
        return made

    def forward() -> tuple:
        return (space.twins.local_response_norm.forward(spread(below), *numbers_of)[0][-KEPT:],)

    def backward() -> tuple:
        divisor = window.forward(below, *numbers_of)[1]
        kept = spread((divisor ** (-numbers_of[2] - 1)).astype(np.float32))
        found = space.twins.local_response_norm.backward(spread(above), spread(below), kept, *numbers_of)
        return (found[-KEPT:],)

    def want() -> tuple:
        return ((window.forward(below, *numbers_of)[0], 80, None),)

    def want_backward() -> tuple:
        return ((window.backward(above, below, *numbers_of), 80, None),)

    name = f"2^20 samples{', channels-last' * channels_last}"
    yield Beyond("local_response_norm.forward", name, 18, 18, forward, want)
    yield Beyond("local_response_norm.backward", name, 23, 18, backward, want_backward)


def _scores(space: Space, across: bool) -> Iterator[Beyond]:
    """x (2^20 + 2, 2056) along its last axis, and (2056, 2^20 + 8) along its first: the last rows are not zero."""
    kept = 8 if across else KEPT
    scores, above = numbers("x", kept, LENGTH), numbers("gy", kept, LENGTH)
    made, axis = oracle.forward(scores, 1, False).astype(np.float16), int(not across)
    name = f"2^20 rows{' across' * across}"

    def spread(values: np.ndarray) -> Array:
        whole = space.zeros(LENGTH, ROWS + 6) if across else space.zeros(ROWS, LENGTH)
        rows = whole.T if across else whole
        rows[-kept:] = space.give(values)
        return whole

    def end(found: Array) -> tuple:
        return ((found.T if across else found)[-kept:],)

    def forward() -> tuple:
        return end(space.twins.softmax.forward(spread(scores), axis, False))

    def backward() -> tuple:
        return end(space.twins.softmax.backward(spread(above), spread(made), axis, False))

    def want() -> tuple:
        return ((oracle.forward(scores, 1, False), LENGTH, None),)

    def want_backward() -> tuple:
        return ((oracle.backward(above, made, 1, False), LENGTH, None),)

    yield Beyond("softmax.forward", name, 10, 2, forward, want)
    yield Beyond("softmax.backward", name, 15, 2, backward, want_backward)
    if not across:
        yield _masked(space, name, scores, spread)


def _masked(space: Space, name: str, scores: np.ndarray, spread: Callable[[np.ndarray], Array]) -> Beyond:
    """The same rows scaled, each a head's only query, with a mask of the last key."""
    mask = np.arange(LENGTH) < LENGTH - 1

    def run() -> tuple:
        x = spread(scores)[:, None]
        return (masked_softmax.forward(x, space.give(mask), False, 0.5)[-KEPT:, 0],)

    def want() -> tuple:
        return ((oracle.masked(np.asarray(scores, np.float64), mask, False, 0.5), LENGTH, None),)

    return Beyond("softmax.masked", name, 10, 2, run, want)


def _planes(space: Space) -> Beyond:
    """x (2^20 + 2, 257, 8) along its middle axis: the last sample is not zero."""
    scores = numbers("x", 8, LENGTH // 8)

    def run() -> tuple:
        x = space.zeros(ROWS, LENGTH // 8, 8)
        x[-1] = space.give(scores.T.copy())
        return (space.twins.softmax.forward(x, 1, False)[-1],)

    def want() -> tuple:
        return ((oracle.forward(scores.T, 0, False), LENGTH, None),)

    return Beyond("softmax.forward", "2^20 samples", 10, 2, run, want)
