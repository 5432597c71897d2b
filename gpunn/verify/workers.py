"""Tasks handed one at a time to processes of their own, so that whoever dies or never ends names the task it had."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from typing import Any

PATIENCE = 300.0  # seconds for one task: a kernel takes one or two, a machine with other work ten times that


@dataclass(frozen=True)
class Broken:
    """What became of a task that gave no result: an exception's words, or how its process ended."""

    reason: str
    fatal: bool = False  # whether it was its process's end


@dataclass
class _Worker:
    process: Any
    pipe: Connection
    since: float
    ready: bool = False  # whether it has started, which is no task's time
    task: int = -1  # -1: it has none


def results(
    work: Callable[[Any], Any],
    tasks: Sequence[Any],
    processes: int = 2,
    start: Callable[..., None] | None = None,
    arguments: tuple = (),
    patience: float = PATIENCE,
) -> Iterator[tuple[int, Any]]:
    """(index of a task, what ``work`` makes of it or why not, as Broken), as they come.

    ``start(*arguments)`` runs first in every process. One that dies is replaced; one that is silent for ``patience``
    seconds is killed.
    """
    waiting, workers = list(reversed(range(len(tasks)))), []
    try:
        workers = [_started(work, start, arguments) for _ in range(min(processes, len(tasks)))]
        while busy := [worker for worker in workers if _busy(worker, waiting, tasks)]:
            ready = wait([worker.pipe for worker in busy], timeout=1)
            for worker in busy:
                late = time.monotonic() - worker.since > (patience if worker.ready else PATIENCE)
                if worker.pipe not in ready and not late:
                    continue
                found = _answer(worker) if worker.pipe in ready else Broken(f"no end after {patience:g} s", True)
                if not worker.ready and found is None:
                    worker.ready = True
                    continue
                if worker.task >= 0 or waiting:  # one that does not even start takes a task along: there is an end
                    yield (worker.task if worker.task >= 0 else waiting.pop()), found
                worker.task = -1
                if isinstance(found, Broken) and found.fatal:
                    _ended(worker)
                    workers[workers.index(worker)] = _started(work, start, arguments)
    finally:
        for worker in workers:
            _ended(worker)


def _started(work: Callable, start: Callable | None, arguments: tuple) -> _Worker:
    context = get_context("spawn")
    mine, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, work, start, arguments), daemon=True)
    process.start()
    theirs.close()
    return _Worker(process, mine, time.monotonic())


def _busy(worker: _Worker, waiting: list[int], tasks: Sequence[Any]) -> bool:
    """Whether something is to come of this worker, which gets a task where it has none."""
    if worker.ready and worker.task < 0 and waiting:
        worker.task, worker.since = waiting.pop(), time.monotonic()
        with suppress(OSError):  # where it died before, its answer says so
            worker.pipe.send(tasks[worker.task])
    return worker.task >= 0 or bool(waiting)


def _answer(worker: _Worker) -> Any:
    try:
        return worker.pipe.recv()
    except (EOFError, OSError):
        worker.process.join(10)
        return Broken(f"its process died of {_how(worker.process.exitcode)}", True)


def _how(code: int | None) -> str:
    if code is None or code >= 0:
        return f"exit status {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"


def _ended(worker: _Worker) -> None:
    worker.process.kill()
    worker.process.join()
    worker.pipe.close()


def _serve(pipe: Connection, work: Callable, start: Callable | None, arguments: tuple) -> None:
    unstarted = _attempt(start, *arguments) if start is not None else None
    with suppress(EOFError):  # the end
        pipe.send(None)
        while True:
            task = pipe.recv()
            pipe.send(unstarted or _attempt(work, task))


def _attempt(function: Callable, *arguments: Any) -> Any:
    try:
        return function(*arguments)
    except Exception as error:
        return Broken(f"{type(error).__name__}: {error}")
