"""Whether a rank's collectives on a GPU go on: the host does not wait for them, so that somebody else has to look."""

from __future__ import annotations

import os
import threading
import time
from contextlib import suppress
from typing import Any

from gpunn.backend import capture
from gpunn.ranks.mpi import late
from gpunn.ranks.nccl_joining import failure
from gpunn.terminal import say_aloud

PAUSE = 1.0  # seconds between two looks


class Watch:
    """Ends the run, on all ranks, where collectives of a group stand still beyond its time limit.

    A thread puts an event into their stream now and then, and into those of graphs that hold some, and looks whether it
    is reached. Where it is not the process ends, after a line on stderr that says where the other ranks are.
    """

    def __init__(self, group: Any):
        self._group, self._stopped = group, threading.Event()
        self._ends: dict[int, Any] = {}  # by stream, the event that was put into it last
        self._thread = threading.Thread(target=self._run, name="gpunn ranks watch", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Look no longer."""
        self._stopped.set()
        self._thread.join(2 * PAUSE)  # it may be asking CUDA, whose end would meet it there

    def _run(self) -> None:
        moved = time.monotonic()
        while not self._stopped.wait(min(PAUSE, self._group.timeout / 4)):
            try:
                moves = self._moves()
            except self._group.nccl.NcclError as error:
                end(self._group, failure(self._group, "dist", error))
                return
            except Exception:  # the device has failed, which the main thread hears where it waits for it
                moves = False
            if moves:
                moved = time.monotonic()
            elif time.monotonic() - moved > self._group.timeout:
                end(self._group, late(self._group, self._group.doing))
                return

    def _moves(self) -> bool:
        """Whether what the streams had at the last look is done."""
        group = self._group
        # In the order of who captures; where they are not to be had, a call of NCCL's waits for other ranks.
        locks = (capture.alone(), group.lock)
        held = [lock for lock in locks if lock.acquire(timeout=PAUSE)]
        try:
            if len(held) < len(locks):
                return False
            if group.comm is None:
                return True
            group.comm.check_async_error()
            with group.device:
                return all([self._moves_in(stream) for stream in (group.stream, *group.replaying.values())])
        finally:
            for lock in reversed(held):
                lock.release()

    def _moves_in(self, stream: Any) -> bool:
        end = self._ends.get(stream.ptr)
        if stream.is_capturing():  # by a program's own hand
            return True
        if end is not None and not end.done:
            return False
        self._ends[stream.ptr] = stream.record(self._group.cupy.cuda.Event(disable_timing=True))
        return True


def end(group: Any, words: str) -> None:
    """End the run: one rank says why, and no other waits."""
    client = group.client
    is_first = True
    with suppress(Exception):  # the store may be gone as well
        is_first = client is None or client.claim("error")
    if is_first:
        say_aloud(words)
    with suppress(Exception):
        if client is not None:
            client.abort(1, words)
    os._exit(1)
