"""Group: what ranks do together, on plain arrays; the transports fill in how."""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np

from gpunn.backend import Array, array_module
from gpunn.errors import DistError
from gpunn.ranks.client import Client
from gpunn.text import brief

DEBUG = "GPUNN_DIST_DEBUG"
OPS = "sum", "prod", "min", "max", "avg"


class Work:
    """A collective under way; of one that was done at once there is nothing to wait for."""

    def wait(self) -> None:
        """Wait for its end: on `cpu` the host does, on `cuda` the current stream alone."""


class Group:
    """Ranks that call the same collectives in the same order.

    Arrays are contiguous, of one shape and dtype on all ranks, and lie where the group's transport takes them: `mpi` on
    the host, `nccl` on its GPU. `ordered` sums are taken in rank order, ((r0 + r1) + r2) + ..., element by element: the
    bits of one process that adds the same parts. What a transport defines are the methods with an underscore, and
    `exchange`.
    """

    kind = "alone"
    ordered = True

    def __init__(self, rank: int = 0, size: int = 1, timeout: float = 300.0, client: Client | None = None):
        self.rank, self.size, self.timeout, self.client = rank, size, timeout, client
        self.local_rank, self.local_size = rank, size  # among the ranks of this host
        self.calls = 0
        self.doing = "starting"  # the last collective, in words
        self.weight: float | Array = 1.0  # of this rank's loss beside the others' while it runs backward
        self.weigher: Callable[[], float | Array] | None = None  # the same, of a forward under way that others weigh
        self.meets = False  # whether backward passes call collectives, which others then do after them

    def __deepcopy__(self, memo: dict[int, object]) -> Group:
        return self  # of a copied Trainer: the ranks are the same

    def __reduce__(self) -> str:
        raise DistError("dist: a group of ranks cannot be pickled; call dist.init() in the process that needs it")

    def all_reduce(self, a: Array, op: str = "sum", ordered: bool | None = None) -> Work:
        """Replace `a` on all ranks by the sum (or op) of all ranks' a."""
        self._begin("all_reduce", a, op)
        return self._all_reduce(a, op, self.ordered if ordered is None else ordered)

    def broadcast(self, a: Array, src: int = 0) -> Work:
        """Replace `a` on all ranks by that of rank `src`."""
        self._begin("broadcast", a, src)
        return self._broadcast(a, src)

    def all_gather(self, out: Array, a: Array) -> Work:
        """Fill out (size, *a.shape) with all ranks' a, in rank order."""
        self._begin("all_gather", a)
        return self._all_gather(out, a)

    def reduce_scatter(self, out: Array, a: Array, op: str = "sum", ordered: bool | None = None) -> Work:
        """Fill `out` on rank r with the sum (or op) of all ranks' a[r], where a is (size, *out.shape)."""
        self._begin("reduce_scatter", a, op)
        return self._reduce_scatter(out, a, op, self.ordered if ordered is None else ordered)

    def barrier(self) -> None:
        """Wait until all ranks are here."""
        self._compare("barrier", self.exchange("barrier"))

    def exchange(self, value: object) -> list[Any]:
        """Small values of all ranks, of what JSON holds, in rank order."""
        return [value]

    def close(self) -> None:
        """Leave the others, at the end of a run that all ranks came to."""

    def _all_reduce(self, a: Array, op: str, ordered: bool) -> Work:
        return Work()

    def _broadcast(self, a: Array, src: int) -> Work:
        return Work()

    def _all_gather(self, out: Array, a: Array) -> Work:
        out[...] = a[None]
        return Work()

    def _reduce_scatter(self, out: Array, a: Array, op: str, ordered: bool) -> Work:
        out[...] = a.reshape(out.shape)
        return Work()

    def _count(self, call: str) -> None:
        """Take note of a call that the others make, too."""
        self.calls += 1
        self.doing = f"{call} number {self.calls}"
        if self.client is not None:
            self.client.doing = self.doing

    def _begin(self, call: str, a: Array, *options: object) -> None:
        """Count the collective, for the others to ask where this rank is; under GPUNN_DIST_DEBUG=1 compare the ranks'.

        DistError on all ranks, before anything moves, where one calls for something else than the others.
        """
        self._count(call)
        if os.environ.get(DEBUG, "0") not in ("", "0"):
            mine = f"{call} of {a.dtype} {tuple(a.shape)} {' '.join(map(str, options))}".strip()
            self._compare(mine, self.exchange(mine))

    def _compare(self, mine: str, found: list[Any]) -> None:
        """DistError where ranks do not the same. Others may be in an exchange, of whatever it is of."""
        if all(one == mine for one in found):
            return
        words = [one if isinstance(one, str) else "an exchange" for one in found]
        most = Counter(words).most_common(1)[0][0]
        others = "; ".join(f"rank {rank}: {word}" for rank, word in enumerate(words) if word != most)
        raise DistError(
            f"dist: collective number {self.calls} differs: {others}; the others: {most}; all ranks must make the "
            "same calls in the same order"
        )


class Alone(Group):
    """One process by itself: each collective gives what it was given."""

    def __reduce__(self) -> tuple:  # type: ignore[override] - it is one anywhere
        return Alone, ()


_world: Group | None = None  # of the process
_group: ContextVar[Group | None] = ContextVar("gpunn ranks", default=None)  # of a thread that is a rank by itself


def current() -> Group:
    """The ranks that `gpunn.dist.init` joined, else this process alone."""
    return _group.get() or _world or Alone()


def begun() -> Group | None:
    """The ranks that were joined; None where none were."""
    return _group.get() or _world


def set_world(group: Group | None) -> None:
    """Let a group be the process's."""
    global _world
    _world = group


@contextmanager
def inside(group: Group) -> Iterator[None]:
    """A block in which `group` is the current one, in this thread."""
    token = _group.set(group)
    try:
        yield
    finally:
        _group.reset(token)


def number_in(doing: str) -> int:
    """The number of the call of which a rank's words are; 0 where there is none.

    >>> from gpunn.ranks.group import number_in
    >>> number_in("past all_reduce number 41"), number_in("starting")
    (41, 0)
    """
    found = re.search(r"number ([0-9]+)", doing)
    return int(found[1]) if found else 0


def in_json(value: object) -> str:
    """A small value as text. TypeError for one that JSON does not hold.

    >>> from gpunn.ranks.group import in_json
    >>> in_json({"loss": 0.5})
    '{"loss": 0.5}'
    """
    try:
        return json.dumps(value)
    except (TypeError, ValueError) as error:
        raise TypeError(
            f"dist: exchange of {brief(value)}: {error}, expected what JSON holds: Python's numbers, words, lists and "
            "dicts; convert arrays and their numbers with .tolist()"
        ) from error


def combined(parts: Array | Sequence[Array], op: str, out: Array) -> None:
    """Reduce the rows of an array (n, ...), or a list of arrays, in their order into `out`, which may be the first."""
    xp = array_module(out)
    functions = {"sum": xp.add, "avg": xp.add, "prod": xp.multiply, "min": xp.minimum, "max": xp.maximum}
    if parts[0] is not out:
        out[...] = parts[0]
    with np.errstate(all="ignore"):  # a thread of its own, where the caller's errstate does not hold
        for part in parts[1:]:
            functions[op](out, part, out=out)
        if op == "avg":
            xp.divide(out, len(parts), out=out)
