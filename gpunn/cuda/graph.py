"""A function on arrays as a CUDA graph: captured once, replayed at the cost of one launch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from gpunn.backend import capture, is_array
from gpunn.cuda import step
from gpunn.cuda.places import Meter, Place
from gpunn.cuda.ring import Reading, Ring, Short
from gpunn.errors import CaptureError

ATTEMPTS = 10  # captures until there is room for all of one
ROOM = 1 << 18  # bytes of memory beyond a quarter more than the steps before had in use
FEED = 1 << 12  # bytes that a replay may be fed with, at first

Body = Callable[[], Mapping[Any, Any]]
DONE, SHORT, BLOCKED = range(3)  # what became of an attempt
ELSEWHERE = "another rank could not capture its step"


class Graph:
    """What `body` launches, to be replayed with the addresses that it had.

    Args:
        place: where it runs; it is the current device and stream.
        body: gives what it measures by name: arrays of one element, or what is no array and stays as it is. It runs
            once, and its launches not at all.
        watched: of the values in which a number that is not finite is a fault, the value that must not be 0 for that,
            or None.
        undo: takes back what an unfinished body has done on the host.
        agree: given what became of an attempt, the worst that became of it on any rank: ranks whose steps hold
            collectives capture together, or not at all.

    Raises what body raises: a copy from or to the host, a library of CUDA's, a lack of memory; CaptureError where
    another rank could not capture. Nothing has run then, and the stream is usable.
    """

    def __init__(
        self,
        place: Place,
        body: Body,
        watched: Mapping[Any, str | None],
        undo: Callable[[], None] = lambda: None,
        agree: Callable[[int], int] = lambda word: word,
    ):
        self.place, self._turning = place, False
        self._capture(body, watched, undo, agree)
        self.ring.captured()

    def _capture(
        self, body: Body, watched: Mapping[Any, str | None], undo: Callable[[], None], agree: Callable[[int], int]
    ) -> None:
        feed, room = FEED, _room_for(self.place.peak)
        memory = 0 if self.place.pool.total_bytes() else room  # graphs take turns: one works in what another left free
        for _ in range(ATTEMPTS):
            short = None
            try:
                with capture.alone():
                    if memory:
                        self.place.reserve(memory)
                    self.ring = Ring(feed, self.place.stream, self.place.fault)
                    self._record(body, watched, undo)
            except Short as error:
                short = error
                feed = 4 * feed + short.feed if short.feed else feed
                if short.memory:
                    memory = memory + memory // 2 + short.memory if memory else room
            except Exception:
                agree(BLOCKED)
                raise
            word = agree(SHORT if short else DONE)
            if word == DONE:
                return
            if short is None:
                undo()
            if word == BLOCKED:
                raise CaptureError(ELSEWHERE)
        raise MemoryError(f"after {ATTEMPTS} attempts {short or 'another rank has no room for a capture'}")

    def _record(self, body: Body, watched: Mapping[Any, str | None], undo: Callable[[], None]) -> None:
        stream, cuda = self.place.stream, self.place.cupy.cuda
        meter = Meter(self.place.pool.malloc)
        token = capture.now.set(self.ring)
        try:
            stream.begin_capture()
            with cuda.using_allocator(meter):
                self.ring.begin()
                self.values = dict(body())
                self.rows = {name: value for name, value in self.values.items() if _is_measured(name, value)}
                self.ring.end(list(self.rows.values()), _watch(self.rows, watched))
            self._graph = stream.end_capture()
        except BaseException:
            with suppress(Exception):  # an error may have spoilt the capture, which is said here once more
                stream.end_capture()
            undo()
            raise
        finally:
            capture.now.reset(token)

    def stands(self) -> bool:
        """Whether all that was taken for granted still holds; without that it must not be replayed."""
        return all([holds() for holds in self.ring.guards])

    def replay(self, number: int) -> dict[Any, Any]:
        """Launch it as the step of this number; readings of what it measures, and what stays as it is.

        The place is the current device and stream.
        """
        if self._turning:  # an interrupt came before the launch, or behind it: the device knows
            self.place.stream.synchronize()
            self.ring.turn = int(self.ring.state[0])
        self._turning = True
        measured = self.ring.write(number)
        self._graph.launch(self.place.stream)
        self._turning = False
        return {**self.values, **{name: Reading(measured, row) for row, name in enumerate(self.rows)}}


def _is_measured(name: Any, value: Any) -> bool:
    """Whether a value is the device's to write, or stays as it is; TypeError where it can be neither."""
    if value is None or isinstance(value, (bool, int, float)):
        return False
    if not is_array(value) or value.size != 1:
        got = f"{type(value).__name__} of shape {value.shape}" if is_array(value) else type(value).__name__
        raise TypeError(f"a step measured {name} as {got}, expected an array of one element, or a number")
    return True


def _watch(rows: Mapping[Any, Any], watched: Mapping[Any, str | None]) -> list[int]:
    """What kernels/step/end.cu does about each row."""
    places = {name: row for row, name in enumerate(rows)}
    return [places.get(watched[name] or "", step.ALWAYS) if name in watched else step.NEVER for name in rows]


def _room_for(peak: int) -> int:
    """The memory to reserve for a step that had so much in use: pools have gaps."""
    return peak + peak // 4 + ROOM
