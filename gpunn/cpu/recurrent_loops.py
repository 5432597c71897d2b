"""The way through time of some samples of a recurrent layer, forward and back, on NumPy's arrays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from gpunn.cpu import recurrent_steps as steps
from gpunn.cpu.threads import parallel_for

_PRODUCT = 1 << 22  # multiply-adds of a step's gate that are worth waking a thread: 0.05 ms
_ROWS, _UNITS = 32, 1 << 13  # the least that a task has of samples, and of their hidden units: a pass of 1 us
_WEIGHT = 1 << 16  # numbers of a gate's weight; larger ones come from the third cache for each task, which then has 64
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

    def of(self, part: slice) -> Sequence:
        """The same of some samples."""
        return self._replace(
            states=self.states[:, part],
            gates=None if self.gates is None else self.gates[:, :, part],
            beside=None if self.beside is None else self.beside[:, part],
            lengths=None if self.lengths is None else self.lengths[part],
        )

    def over(self, t: int) -> Maybe:
        """Which samples' sequences are over at step t; None: none is."""
        if self.lengths is None or not (over := self.lengths <= t).any():
            return None
        return over

    def at(self, t: int, before: int, after: int) -> tuple[Any, ...]:
        """An LSTM's cells before and after the step; a GRU's inner products, None. Two rows, or one, may be all."""
        if self.beside is None:
            return None, None
        rows = len(self.beside)
        if self.mode == "GRU":
            return self.beside[t % rows], None
        return self.beside[before % rows], self.beside[after % rows]


def over_samples(task: Callable[[slice, bool], None], N: int, H: int, work: int) -> None:
    """The task for all samples, some at a time; `work`: multiply-adds of a sample's step and gate.

    Its second argument says whether it is the only one and its products are worth sharing out. The cuts depend on
    shapes alone.
    """
    count = max(1, min(N // (_ROWS if work <= _WEIGHT else 2 * _ROWS), N * H // _UNITS))
    each = -(-N // count)
    parallel_for(lambda k: task(slice(k * each, (k + 1) * each), count == 1 and N * work >= _PRODUCT), count)


def forward(whole: Sequence, bias: np.ndarray | int, part: slice, shared: bool) -> None:
    """States, activations and what lies beside them of some samples; bias: a GRU's within its reset gate."""
    one = whole.of(part)
    gates, step = one.gates, steps.FORWARD[one.mode]
    assert gates is not None
    product = np.empty((len(gates), *gates.shape[2:]), gates.dtype)
    spare, hidden = np.empty_like(product[0]), None if one.projection is None else np.empty_like(product[0])
    for t, before, after in one.order():
        h, now, (c, c_after) = one.states[before], one.states[after], one.at(t, before, after)
        _times(one.rounded(h), one.weight, product, shared)
        step(gates[:, t], product, h, now if hidden is None else hidden, c, c_after, bias, spare)
        if hidden is not None and one.projection is not None:
            np.matmul(one.rounded(hidden), one.projection, out=now)
        over = one.over(t)
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

    def of(self, part: slice) -> Gradients:
        """The same of some samples."""
        gates, products = self.gates[:, :, part], self.products[:, :, part]
        gy, states = (None if a is None else a[:, part] for a in (self.gy, self.states))
        return Gradients(gy, gates, products, states, self.h[part], None if self.c is None else self.c[part])

    def arrive(self, t: int, over: Maybe) -> None:
        """Adds to h what comes from y at step t."""
        if self.gy is not None:
            np.add(self.h, self.gy[t], out=self.h, where=True if over is None else ~over[:, None])


def back(whole: Sequence, gradients: Gradients, to_start: bool, part: slice, shared: bool) -> None:
    """The gradients of some samples, from the last step to the first; of the first state where asked for."""
    one, g, step = whole.of(part), gradients.of(part), steps.BACK[whole.mode]
    gh, gc, order = g.h, g.c, one.order()
    past, spare, of_hidden = (np.empty(g.gates.shape[2:], gh.dtype) for _ in range(3))
    product = np.empty((len(g.gates), *gh.shape), gh.dtype)
    for t, before, after in reversed(order):
        over, ggates, gproducts = one.over(t), g.gates[:, t], g.products[:, t]
        g.arrive(t, over)
        held = None if over is None else (gh[over], None if gc is None else gc[over])
        top = gh
        if g.states is not None and one.projection is not None:
            g.states[t] = gh
            if over is not None:
                g.states[t, over] = 0
            top = np.matmul(one.rounded(g.states[t]), one.projection, out=of_hidden)
        gates, beside = None if one.gates is None else one.gates[:, t], one.at(t, before, after)
        step(top, past, ggates, gproducts, gates, one.states[before], one.states[after], *beside, gc, spare)
        if over is not None:
            ggates[:, over] = gproducts[:, over] = 0
        if to_start or t != order[0][0]:
            _times(one.rounded(gproducts), one.weight, product, shared)
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
