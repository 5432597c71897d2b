"""Batches made ahead of time by threads."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future
from contextlib import suppress
from itertools import islice
from typing import Any, TypeVar

J = TypeVar("J")


def made_ahead(make: Callable[[J], Any], jobs: Iterator[J], depth: int, threads: int = 1) -> Generator[Any, None, None]:
    """make(job) of each job in order, up to `depth` ahead of the one that is taken, by threads that end with it."""
    tasks: queue.SimpleQueue[tuple[J, Future] | None] = queue.SimpleQueue()
    waiting: deque[Future] = deque()

    def work() -> None:
        while (task := tasks.get()) is not None:
            job, made = task
            try:
                made.set_result(make(job))
            except BaseException as error:  # whatever it is, the iterating thread has to learn of it
                made.set_exception(error)

    def ask(count: int) -> None:
        for job in islice(jobs, count):
            waiting.append(Future())
            tasks.put((job, waiting[-1]))

    team = [threading.Thread(target=work, name="gpunn-prefetch", daemon=True) for _ in range(threads)]
    try:
        for thread in team:  # inside: Ctrl-C may strike while it waits for the thread's first sign of life
            thread.start()
        ask(depth)
        while waiting:
            first = waiting.popleft()
            ask(1)
            yield first.result()
    finally:  # also reached by `break`, by an exception in the loop's body and by Ctrl-C
        with suppress(queue.Empty):
            while True:
                tasks.get_nowait()
        for _ in team:
            tasks.put(None)
        for thread in team:
            with suppress(RuntimeError):  # never started
                thread.join()
