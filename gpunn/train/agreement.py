"""What ranks that train agree on: that all do the same, with the same batches, and capture calls of NCCL or none."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from gpunn import random
from gpunn.cuda.graph import ELSEWHERE
from gpunn.errors import DistError
from gpunn.ranks.group import Group

STREAMS = 1 << 16  # of gpunn.random, which a rank's own are so many beyond those of the rank before


def told(group: Group, doing: str, value: object) -> list[Any]:
    """All ranks' values, in rank order. DistError on all ranks where one is not doing the same: which, and what."""
    found = [one if isinstance(one, list) and len(one) == 2 else ["another call", one]
             for one in group.exchange([doing, value])]  # fmt: skip
    for rank, (theirs, _) in enumerate(found):
        if theirs != found[0][0]:
            raise DistError(
                f"Trainer: rank {rank} is at {theirs}, rank 0 at {found[0][0]}; give all ranks as many batches, and "
                "let all of them call fit, evaluate and what saves"
            )
    return [value for _, value in found]


def counters(group: Group) -> list[int]:
    """How many of its random numbers each rank has taken."""
    return told(group, "the counts of random numbers", random.get_state()["counter"])


@contextmanager
def common_numbers(group: Group) -> Iterator[None]:
    """A block in which gpunn.random draws the same on all ranks, which take up their own numbers after it."""
    own, start = random.get_state(), max(counters(group))
    random.set_state({**own, "stream": own["stream"] % STREAMS, "counter": start})
    try:
        yield
    finally:
        drawn = random.get_state()["counter"]
        random.set_state(own if drawn == start else {**own, "counter": drawn})


class Agreement:
    """The ranks of a group as the graphs of their steps see each other; of one rank, or over MPI, nobody is asked."""

    def __init__(self, group: Group | None = None):
        self._group = group if group is not None and group.kind == "nccl" and group.size > 1 else None

    def worst(self, word: int) -> int:
        """The greatest of all ranks' words: see gpunn.cuda.graph.Graph."""
        return word if self._group is None else max(self._group.exchange(word))

    def reason(self, words: str) -> str:
        """Why the ranks' steps were not captured, in the words of the first of them that knows."""
        if self._group is None:
            return words
        found = self._group.exchange(words)
        rank = next((rank for rank, why in enumerate(found) if ELSEWHERE not in why), self._group.rank)
        return words if rank == self._group.rank else f"on rank {rank} {found[rank]}"

    def kind(self, like: Any) -> Any:
        """What tells a step's kind apart on all ranks, given what does so of this rank's batch; None: it runs eagerly.

        A replay on one rank and an eager step on another, whose batch is smaller, would not be captured alike.
        """
        if self._group is None:
            return like
        found = tuple(self._group.exchange(None if like is None else repr(like)))
        return None if None in found else found
