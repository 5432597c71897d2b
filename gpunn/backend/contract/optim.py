"""Optimisers' rules, and what is done to all gradients at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from gpunn.backend.contract.terms import Array, Arrays, Settings, States

SKIP = "skip"


class Optim(Protocol):
    """Optimisers' rules for all parameters at once; lists have an entry a parameter, ``kept`` belongs to the twin.

    But for kept[SKIP], an array of one or None: where it is not 0 a step changes nothing.

    Inside a captured graph settings are a function, and a share is device memory: each replay has its own.
    """

    def sgd(self, params: Arrays, buffers: States, grads: Arrays, settings: Settings, kept: dict) -> None:
        """Step: b = momentum b + share d; p -= rate b."""
        ...

    def adam(
        self,
        params: Arrays,
        means: Arrays,
        squares: Arrays,
        peaks: States,
        grads: Arrays,
        settings: Settings,
        kept: dict,
    ) -> None:
        """Step: m = b1 m + c1 g; v = b2 v + c2 g^2; p -= rate m / (sqrt(v) / root + eps)."""
        ...

    def rmsprop(
        self,
        params: Arrays,
        squares: Arrays,
        means: States,
        buffers: States,
        grads: Arrays,
        settings: Settings,
        kept: dict,
    ) -> None:
        """Step: v = alpha v + c g^2; d = g / (sqrt(v - a^2) + eps); p -= rate d."""
        ...

    def adadelta(
        self, params: Arrays, squares: Arrays, moves: Arrays, grads: Arrays, settings: Settings, kept: dict
    ) -> None:
        """Step: v = rho v + c g^2; d = g sqrt(a + eps) / sqrt(v + eps); a = rho a + c d^2; p -= rate d."""
        ...

    def adamax(
        self, params: Arrays, means: Arrays, peaks: Arrays, grads: Arrays, settings: Settings, kept: dict
    ) -> None:
        """Step: m = b1 m + c1 g; u = max(b2 u, |g| + eps); p -= rate m / u."""
        ...

    def rprop(
        self, params: Arrays, previous: Arrays, steps: Arrays, grads: Arrays, settings: Settings, kept: dict
    ) -> None:
        """Step: s grows while the gradient's sign stays, shrinks where it turns; p -= sign(g) s."""
        ...

    def asgd(self, params: Arrays, means: Arrays, grads: Arrays, settings: Settings, kept: dict) -> None:
        """Step: p = keep p - rate g; a += share (p - a)."""
        ...

    def norm(self, arrays: Arrays, order: float) -> Array:
        """The norm, of order > 0, of all arrays taken as one vector: a 0-d array."""
        ...

    def scale(self, arrays: Arrays, total: Array, limit: float) -> None:
        """Multiply by min(1, limit / (total + 1e-6)), in place; the 0-d array `total` is not read by the host."""
        ...

    def clamp(self, arrays: Arrays, limit: float) -> None:
        """Limit every element to [-limit, limit], in place; NaN stays NaN."""
        ...

    def average(self, means: Arrays, values: Arrays, share: float | Array, kept: dict) -> None:
        """Move every mean towards its value: m += share (x - m), in place."""
        ...

    def accumulate(self, sums: Arrays, grads: Arrays, weight: float | Array, fresh: Sequence[bool], kept: dict) -> None:
        """Add weight times the gradients to the sums, in place; a fresh sum counts as 0, whatever it holds.

        The weight may be an array of one on the device, which the host does not read; as `divide`'s divisor.
        """
        ...

    def divide(self, arrays: Arrays, divisor: float | Array) -> None:
        """Divide every element, in place; by a divisor of 0 on the device nothing."""
        ...

    def unscale(self, grads: Arrays, state: Array) -> None:
        """Divide the gradients by state[0], in place; state[3] becomes 1 where one is not finite."""
        ...

    def rescale(self, state: Array, growth: float, backoff: float, every: int) -> None:
        """Make the state that of the next step: its scale times backoff after a bad one, times growth after many good.

        The state is float32: scale, good steps in a row, steps skipped in all, whether this one is bad.
        """
        ...
