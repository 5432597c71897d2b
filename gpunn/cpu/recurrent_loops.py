"""The way through time of some samples of a recurrent layer, forward and back, on NumPy's arrays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from gpunn.cpu import recurrent_steps as steps
from gpunn.cpu.threads import parallel_for

_PRODUCT = 1 << 22  # multiply-adds of a step's gate that are worth waking a thread: 0.1 ms
_ROWS, _UNITS = 64, 1 << 14  # the least that a task has of samples, and of their hidden units: a pass of 2 us
Maybe = np.ndarray | None


class Sequence(NamedTuple):
    """What both ways read: states (L + 1, N, P); gates (G, L, N, H), cells or inner products, one row a step.

    weight is (G, P, H) forward, (G, H, P) back, projection (H, P) or (P, H); `rounded` rounds what a product takes.
    """

    mode: str
    states: np.ndarray
    gates: Maybe
    beside: Maybe
    weight: np.ndarray
    projection: Maybe
    lengths: Maybe
    reverse: bool
    rounded: Callable[[np.ndarray], np.ndarray]

    def order(self) -> list[tuple[int, int, int]]:
        """(t, row of the state before, row of the state after) of each step as it comes."""
        L = len(self.states) - 1
        return [(t, t + 1, t) for t in reversed(range(L))] if self.reverse else [(t, t, t + 1) for t in range(L)]

    def over(self, t: int, part: slice) -> Maybe:
        """Which samples' sequences are over at step t; None: none is."""
        if self.lengths is None or not (over := self.lengths[part] <= t).any():
            return None
        return over

    def at(self, t: int, before: int, after: int, part: slice) -> tuple[Any, ...]:
        """An LSTM's cells before and after the step; a GRU's inner products, None. Two rows, or one, may be all."""
        if self.beside is None:
            return None, None
        rows = len(self.beside)
        if self.mode == "GRU":
            return self.beside[t % rows, part], None
        return self.beside[before % rows, part], self.beside[after % rows, part]


def over_samples(task: Callable[[slice, bool], None], N: int, H: int, work: int) -> None:
    """The task for all samples, some at a time; `work`: multiply-adds of a sample's step.

    Its second argument says whether it is the only one and its products are worth sharing out. The cuts depend on
    shapes alone.
    """
    count = max(1, min(N // _ROWS, N * H // _UNITS))
    each = -(-N // count)
    parallel_for(lambda k: task(slice(k * each, (k + 1) * each), count == 1 and N * work >= 2 * _PRODUCT), count)


def forward(one: Sequence, bias: np.ndarray | int, part: slice, shared: bool) -> None:
    """States, activations and what lies beside them of some samples; bias: a GRU's within its reset gate."""
    gates, step = one.gates, steps.FORWARD[one.mode]
    assert gates is not None
    product = np.empty((len(gates), *gates[0, 0, part].shape), gates.dtype)
    spare, hidden = np.empty_like(product[0]), None if one.projection is None else np.empty_like(product[0])
    for t, before, after in one.order():
        h, now = one.states[before, part], one.states[after, part]
        c, c_after = one.at(t, before, after, part)
        _times(one.rounded(h), one.weight, product, shared)
        step(gates[:, t, part], product, h, now if hidden is None else hidden, c, c_after, bias, spare)
        if hidden is not None and one.projection is not None:
            np.matmul(one.rounded(hidden), one.projection, out=now)
        over = one.over(t, part)
        if over is not None:
            now[over] = h[over]
            if c is not None and c_after is not None:
                c_after[over] = c[over]


class Gradients(NamedTuple):
    """What comes back, all of it new memory: of y (L, N, P) or None; of both products' sums, (G, L, N, H) each.

    `states`, of a projection, are the gradients of each step's state; h and c come as those of the final states, in
    place, and become those of the first ones.
    """

    gy: Maybe
    gates: np.ndarray
    products: np.ndarray
    states: Maybe
    h: np.ndarray
    c: Maybe

    def arrive(self, gh: np.ndarray, t: int, part: slice, over: Maybe) -> None:
        """Adds to gh what comes from y at step t."""
        if self.gy is not None:
            np.add(gh, self.gy[t, part], out=gh, where=True if over is None else ~over[:, None])

    def clear(self, t: int, part: slice, over: np.ndarray) -> None:
        """What has a step's gradient is 0 where the sequence was over."""
        for one in {id(a): a for a in (self.gates, self.products)}.values():
            one[:, t, part][:, over] = 0


def back(one: Sequence, g: Gradients, to_start: bool, part: slice, shared: bool) -> None:
    """The gradients of some samples, from the last step to the first; of the first state where asked for."""
    step, gh, order = steps.BACK[one.mode], g.h[part], one.order()
    gc = None if g.c is None else g.c[part]
    past, spare = (np.empty(g.gates[0, 0, part].shape, gh.dtype) for _ in range(2))
    product, of_hidden = np.empty((len(g.gates), *gh.shape), gh.dtype), np.empty_like(past)
    for t, before, after in reversed(order):
        over = one.over(t, part)
        g.arrive(gh, t, part, over)
        held = None if over is None else (gh[over], None if gc is None else gc[over])
        top = gh
        if g.states is not None and one.projection is not None:
            g.states[t, part] = gh
            if over is not None:
                g.states[t, part][over] = 0
            top = np.matmul(one.rounded(g.states[t, part]), one.projection, out=of_hidden)
        gates, (c, c_after) = None if one.gates is None else one.gates[:, t, part], one.at(t, before, after, part)
        ends = one.states[before, part], one.states[after, part]
        step(top, past, g.gates[:, t, part], g.products[:, t, part], gates, *ends, c, c_after, gc, spare)
        if over is not None:
            g.clear(t, part, over)
        if to_start or t != order[0][0]:
            _times(one.rounded(g.products[:, t, part]), one.weight, product, shared)
            np.add.reduce(product, axis=0, out=gh)
            if one.mode == "GRU":
                np.add(gh, past, out=gh)
        if held is not None:
            gh[over] = held[0]
            if gc is not None and held[1] is not None:
                gc[over] = held[1]


def _times(a: np.ndarray, weight: np.ndarray, out: np.ndarray, shared: bool) -> None:
    """The products of `a` (n, K), or (G, n, K), by the weight of each gate (G, K, M)."""
    if not shared:
        np.matmul(a, weight, out=out)
        return

    def task(k: int) -> None:
        np.matmul(a if a.ndim == 2 else a[k], weight[k], out=out[k])

    parallel_for(task, len(weight))
