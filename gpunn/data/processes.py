"""The worker processes of a DataLoader, seen from the main process."""

from __future__ import annotations

import multiprocessing
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.context import BaseContext
from typing import Any

from gpunn.data import worker
from gpunn.data.fetch import Fetch, Job
from gpunn.errors import DataError

PATIENCE = 5.0  # seconds that a worker has to end by itself


class _Remote(Exception):
    """A traceback of a worker process."""

    def __str__(self) -> str:
        return f"\n{self.args[0]}"


class Processes:
    """`count` worker processes that make batches in order, each up to `factor` ahead; worker i has the seed `seed` + i.

    Raises DataError where one cannot be started: what goes to it cannot be pickled, for example.
    """

    def __init__(
        self,
        fetch: Fetch,
        count: int,
        seed: int,
        context: str | BaseContext | None,
        init: Callable | None,
        factor: int,
        timeout: float,
    ):
        self.factor, self.timeout = factor, timeout
        self._pipes: list[Connection] = []
        self._workers: list[Any] = []
        by_name = isinstance(context, str | None)
        self.context: Any = multiprocessing.get_context(context) if by_name else context
        try:
            with _held_back():
                for number in range(count):
                    self._start(number, count, (seed, fetch, init))
        except BaseException as error:
            self.close(at_once=True)
            if not isinstance(error, Exception):
                raise
            what = f"worker {len(self._workers)} cannot be started ({type(error).__name__}: {error})"
            raise DataError(
                f"DataLoader: {what}; define the data set and its functions at the top of a module, or give"
                ' workers="threads"'
            ) from error

    def _start(self, number: int, count: int, rest: tuple) -> None:
        ours, theirs = self.context.Pipe()
        self._pipes.append(ours)
        inherited = tuple(self._pipes) if self.context.get_start_method() == "fork" else ()
        args = theirs, inherited, number, count, *rest
        process = self.context.Process(target=worker.serve, args=args, name=f"gpunn-worker-{number}", daemon=True)
        try:
            process.start()
        finally:
            theirs.close()
        self._workers.append(process)

    def run(self, jobs: Iterator[Job]) -> Iterator[Any]:
        """The batches of these jobs, in their order; of an IterableDataset until no worker has one left."""
        able = deque(range(len(self._pipes)))  # those that have samples left, the next one first
        asked: deque[int] = deque()

        def ask() -> None:
            if able and (job := next(jobs, None)) is not None:
                number = able[0]
                able.rotate(-1)
                with suppress(OSError):  # it has died: what it had made before is still to be taken
                    self._pipes[number].send(job)
                asked.append(number)

        for _ in range(self.factor * len(self._pipes)):
            ask()
        while asked:
            number = asked.popleft()
            kind, *rest = self._taken(number)
            if kind == worker.FAILED:
                raise DataError(f"DataLoader: worker {number}: {rest[0]}") from _Remote(rest[1])
            if kind == worker.OVER:
                if number in able:
                    able.remove(number)
                continue
            ask()
            yield rest[0]

    def _taken(self, number: int) -> tuple:
        """The worker's next answer. DataError where it has died, or says nothing for `timeout` seconds."""
        pipe, process = self._pipes[number], self._workers[number]
        ready = wait([pipe, process.sentinel], self.timeout or None)
        if not ready:
            got = f"worker {number} made no batch within {self.timeout:g} s"
            raise DataError(f"DataLoader: {got}; give a longer timeout, or 0 for none")
        with suppress(EOFError, OSError):
            if pipe in ready or pipe.poll():
                return worker.receive(pipe)
        process.join(PATIENCE)
        code = process.exitcode
        how = f"by signal {-code}" if code is not None and code < 0 else f"with exit code {code}"
        ended = f"worker {number} (process {process.pid}) ended {how}"
        raise DataError(
            f"DataLoader: {ended}; give fewer num_workers if memory ran out,"
            ' and where workers are spawned, start the script\'s work under if __name__ == "__main__"'
        )

    def close(self, at_once: bool = False) -> None:
        """End the processes: by themselves, or at once."""
        with _held_back():
            for pipe, process in zip(self._pipes, self._workers, strict=False):
                if at_once:
                    process.kill()
                else:
                    with suppress(OSError):
                        pipe.send(None)
            until = time.monotonic() + PATIENCE
            for process in self._workers:
                process.join(max(0.0, until - time.monotonic()))
                if process.is_alive():
                    process.kill()
                    process.join()
                process.close()
            for pipe in self._pipes:
                pipe.close()
            self._pipes, self._workers = [], []


@contextmanager
def _held_back() -> Iterator[None]:
    """Inside, Ctrl-C waits. Python drops an exception that is raised while it forks, and with it the interrupt."""
    before = signal.getsignal(signal.SIGINT)
    if before is None or threading.current_thread() is not threading.main_thread():  # it comes to the main thread alone
        yield
        return
    pressed: list[int] = []
    signal.signal(signal.SIGINT, lambda number, frame: pressed.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if pressed:
            signal.raise_signal(signal.SIGINT)
