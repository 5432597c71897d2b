"""The roll of a run: the ranks' connections to their store, and whether each still lives; all of it on its thread."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass

from gpunn.ranks.wire import Member, Wire

ANSWER = 2.0  # seconds that a rank has to say what it is doing


@dataclass
class Seat:
    """A rank's connection."""

    member: Member
    wire: Wire
    writer: asyncio.StreamWriter
    doing: str = "starting"
    asked: bool = False  # what it is doing, and it has not answered
    missed: int = 0  # beats in a row

    def send(self, message: dict) -> None:
        if not self.writer.is_closing():
            self.writer.write(self.wire.pack(message))

    def ask(self) -> None:
        self.asked = True
        self.send({"ask": "doing"})

    def answered(self, doing: str) -> None:
        self.doing, self.asked, self.missed = doing, False, 0


class Roll:
    """Who is there of `size` ranks; `members` is what other threads may read of it."""

    def __init__(self, size: int):
        self.size = size
        self.seats: dict[int, Seat] = {}
        self.members: dict[int, Member] = {}
        self._left: set[int] = set()

    def enter(self, seat: Seat) -> None:
        rank = seat.member.rank
        self.seats[rank], self.members[rank] = seat, seat.member
        self._left.discard(rank)

    def leave(self, seat: Seat) -> None:
        rank = seat.member.rank
        del self.seats[rank], self.members[rank]
        self._left.add(rank)

    def tell(self, message: dict, last: int | None = None) -> None:
        """Send a message to all, to the rank `last` after the others."""
        for rank in sorted(self.seats, key=lambda rank: rank == last):
            self.seats[rank].send(message)

    def objection(self, member: Member, size: object) -> str:
        """Why this process cannot be a rank of the run, or ""."""
        if size != self.size:
            return f"rank {member.rank} counts {size} ranks, the store {self.size}; set one WORLD_SIZE on all ranks"
        if not 0 <= member.rank < self.size:
            return f"a rank has the number {member.rank}, expected 0 to {self.size - 1}; correct its RANK"
        if other := self.members.get(member.rank):
            return f"two processes have the number {member.rank}, {other} and {member}; give each rank its own RANK"
        return ""

    def speaker(self, dead: int) -> int | None:
        """The rank that says of another's death: the lowest that answers."""
        lives = [rank for rank, seat in self.seats.items() if rank != dead]
        return min(lives, key=lambda rank: (self.seats[rank].missed, rank), default=None)

    def beat(self, most: int) -> Iterable[Seat]:
        """Ask all what they are doing, but for those that have not answered `most` times in a row, which it gives."""
        for seat in list(self.seats.values()):
            seat.missed = seat.missed + 1 if seat.asked else 0
            if seat.missed < most:
                seat.ask()
            else:
                yield seat

    async def where(self) -> list[str]:
        """What each rank is doing, in words."""
        for seat in self.seats.values():
            seat.ask()
        end = asyncio.get_running_loop().time() + ANSWER
        while any(seat.asked for seat in self.seats.values()) and asyncio.get_running_loop().time() < end:
            await asyncio.sleep(0.02)
        return [self._doing(rank) for rank in range(self.size)]

    def _doing(self, rank: int) -> str:
        if seat := self.seats.get(rank):
            return f"does not answer (last: {seat.doing})" if seat.asked else seat.doing
        return "has left" if rank in self._left else "has not come"
