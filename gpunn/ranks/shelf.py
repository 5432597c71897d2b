"""What the ranks have put into their store, and who waits for what; all of it on the store's thread."""

from __future__ import annotations

import asyncio

from gpunn.errors import DistError


class Shelf:
    """Values by key, claims, and values of all ranks; DistError where a wait takes too long."""

    def __init__(self, size: int):
        self.size = size
        self.values: dict[str, str] = {}
        self.claims: dict[str, int] = {}  # the first rank that asked
        self._awaited: dict[str, asyncio.Event] = {}
        self._gatherings: dict[str, tuple[dict[int, str], asyncio.Event]] = {}

    def put(self, key: str, value: str) -> None:
        self.values[key] = value
        if event := self._awaited.pop(key, None):
            event.set()

    async def get(self, key: str, seconds: float) -> str:
        if key not in self.values:
            event = self._awaited.setdefault(key, asyncio.Event())
            if not await _within(event, seconds):
                raise DistError(f"nobody has put {key!r} in {seconds:g} s; see what the rank that should is doing")
        return self.values[key]

    def claim(self, key: str, rank: int) -> bool:
        return self.claims.setdefault(key, rank) == rank

    async def gather(self, key: str, rank: int, value: str, seconds: float) -> list[str]:
        values, event = self._gatherings.setdefault(key, ({}, asyncio.Event()))
        values[rank] = value
        if len(values) == self.size:
            del self._gatherings[key]  # the key serves again
            event.set()
        elif not await _within(event, seconds):
            missing = [rank for rank in range(self.size) if rank not in values]
            verb = "has" if len(missing) == 1 else "have"
            raise DistError(f"{ranks_in_words(missing)} {verb} not come in {seconds:g} s")
        return [values[rank] for rank in range(self.size)]


def ranks_in_words(ranks: list[int], most: int = 8) -> str:
    """Some ranks, for an error.

    >>> from gpunn.ranks.shelf import ranks_in_words
    >>> ranks_in_words([3]), ranks_in_words([1, 2, 3]), ranks_in_words(list(range(20)), 3)
    ('rank 3', 'ranks 1, 2 and 3', 'ranks 0, 1, 2 and 17 more')
    """
    if len(ranks) == 1:
        return f"rank {ranks[0]}"
    words = [str(rank) for rank in ranks[:most]] + [f"{len(ranks) - most} more"] * (len(ranks) > most)
    return f"ranks {', '.join(words[:-1])} and {words[-1]}"


async def _within(event: asyncio.Event, seconds: float) -> bool:
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except asyncio.TimeoutError:
        return event.is_set()
    return True
