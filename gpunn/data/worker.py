"""A worker process of a DataLoader, seen from inside: it takes jobs from a pipe and sends batches back."""

from __future__ import annotations

import os
import pickle
import queue
import random as python_random
import signal
import threading
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection

import numpy as np

from gpunn import random
from gpunn.cpu.blas import blas
from gpunn.cpu.threads import set_thread_count
from gpunn.data.dataset import Samples
from gpunn.data.fetch import END, WORKER, Fetch, Job

BATCH, OVER, FAILED = "batch", "over", "failed"  # what an answer is


@dataclass(frozen=True)
class WorkerInfo:
    """Which worker this is: its number `id` of `num_workers`, its `seed`, and its copy of the data set."""

    id: int
    num_workers: int
    seed: int
    dataset: Samples


_info: WorkerInfo | None = None


def get_worker_info() -> WorkerInfo | None:
    """Which worker process of a DataLoader this is; None in the main process.

    Examples:
        >>> print(data.get_worker_info())
        None
    """
    return _info


def serve(
    pipe: Connection,
    inherited: Sequence[Connection],
    number: int,
    count: int,
    seed: int,
    fetch: Fetch,
    init: Callable[[int], object] | None,
) -> None:
    """Answer one job after another until there is none, or until the main process has closed its end of the pipe.

    Before each batch Python's, NumPy's and gpunn's global generators start from (seed, epoch, batch): samples that draw
    from them are the same by however many workers.
    """
    global _info
    for one in inherited:  # of a fork: while a worker holds them, no other learns that the main process has ended
        one.close()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the main process ends the workers
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    set_thread_count(1)
    _info = WorkerInfo(number, count, seed + number, fetch.dataset)
    jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(pipe, jobs), daemon=True).start()
    blas.single(_answer_all, pipe, jobs, fetch, init)


def _listen(pipe: Connection, jobs: queue.SimpleQueue) -> None:
    """Pass on what comes, so that the main process never waits for a worker that waits for it."""
    while True:
        try:
            job = pipe.recv()
        except (EOFError, OSError):  # nobody wants more: what is being made is for nothing
            os._exit(0)
        jobs.put(job)
        if job is None:
            return


def _answer_all(pipe: Connection, jobs: queue.SimpleQueue, fetch: Fetch, init: Callable[[int], object] | None) -> None:
    assert _info is not None
    trouble = None
    try:
        _start_generators(_info.seed)
        if init is not None:
            init(_info.id)
    except Exception as error:
        trouble = FAILED, f"worker_init_fn failed ({type(error).__name__}: {error})", traceback.format_exc()
    while (job := jobs.get()) is not None:
        send(pipe, trouble or _answer(job, fetch))


def _answer(job: Job, fetch: Fetch) -> tuple:
    try:
        _start_generators(seed_of(job.seed, job.epoch, job.number))
        batch = fetch(job)
        return (OVER,) if batch is END else (BATCH, batch)
    except Exception as error:
        words = str(error).removeprefix("DataLoader: ")
        words = words if isinstance(error, ValueError) else f"{type(error).__name__}: {words}"
        return FAILED, words, traceback.format_exc()


def seed_of(*words: int) -> int:
    """What (seed, epoch) or (seed, epoch, batch) make of themselves, of 31 bits: a worker's number can go on top."""
    return int(np.random.SeedSequence((WORKER, *words)).generate_state(1)[0]) >> 1


def _start_generators(seed: int) -> None:
    python_random.seed(seed)
    np.random.seed(seed)
    random.manual_seed(seed)


def send(pipe: Connection, answer: tuple) -> None:
    """Send an answer, arrays without a copy."""
    buffers: list[pickle.PickleBuffer] = []
    try:
        packed = pickle.dumps(answer, protocol=5, buffer_callback=buffers.append)
    except Exception as error:
        what = f"what it made cannot be sent to the main process ({type(error).__name__}: {error})"
        buffers, packed = [], pickle.dumps((FAILED, what, traceback.format_exc()))
    parts = [buffer.raw() for buffer in buffers]
    pipe.send(([part.nbytes for part in parts], packed))
    for part in parts:
        if part.nbytes:
            pipe.send_bytes(part)


def receive(pipe: Connection) -> tuple:
    """The answer that was sent, in arrays that may be written to."""
    sizes, packed = pipe.recv()
    buffers = [bytearray(size) for size in sizes]
    for buffer in buffers:
        if buffer:
            pipe.recv_bytes_into(buffer)
    return pickle.loads(packed, buffers=buffers)
