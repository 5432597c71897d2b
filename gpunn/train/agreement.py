"""What ranks that train over NCCL agree on: each of its calls is captured on all of them, or on none."""

from __future__ import annotations

from typing import Any

from gpunn.cuda.graph import ELSEWHERE
from gpunn.ranks.group import Group


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
