"""Worker threads for the NumPy twins.

NumPy's copies, ufuncs and matrix products release the GIL, so plain threads share the work of one layer. Each worker
asks BLAS for one thread: two workers with two BLAS threads each would fight for the same cores, and an idle OpenBLAS
worker spins for 25 ms after each product. Work is always cut by shape alone, never by the number of threads, so that
results are bitwise equal for any thread count and any scheduling.
"""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from itertools import takewhile

import numpy as np

from gpunn import limits
from gpunn.cpu.blas import blas
from gpunn.restored import restored

_lock = threading.RLock()
_pool: ThreadPoolExecutor | None = None
_pool_size = 0
_chosen: int | None = None
_sharing: ContextVar[bool] = ContextVar("gpunn shares work among threads", default=False)


def _from_environment() -> int:
    for name in ("GPUNN_NUM_THREADS", "OMP_NUM_THREADS"):
        text = os.environ.get(name, "").strip()
        if text.isascii() and text.isdecimal() and len(text) < 7 and int(text) > 0:
            return min(int(text), limits.THREADS)
    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)))
    return max(1, os.cpu_count() or 1)


def thread_count() -> int:
    """Threads that share a layer's work: set_thread_count, else GPUNN_NUM_THREADS, OMP_NUM_THREADS, else the cores."""
    global _chosen
    if _chosen is None:
        _chosen = _from_environment()
    return _chosen


def set_thread_count(count: int) -> None:
    """Use `count` threads from now on; raises ValueError below 1."""
    global _chosen
    if count < 1:
        raise ValueError(f"set_thread_count: got {count}, expected at least 1")
    _chosen = int(count)


def _executor(workers: int) -> ThreadPoolExecutor:
    global _pool, _pool_size
    with _lock:
        if _pool is None or _pool_size < workers:
            # Never shut down: another thread may be about to hand it work. Its threads end once nobody holds it.
            _pool, _pool_size = _started(workers), workers
        return _pool


def _started(workers: int) -> ThreadPoolExecutor:
    """A pool with its threads, which another thread starts, since Ctrl-C is raised in the main one.

    Between a thread's start and its entry among those that Python ends at exit it would leave one to wait for for ever.
    """
    pool, all_there = ThreadPoolExecutor(workers, thread_name_prefix="gpunn"), threading.Barrier(workers)

    def start() -> None:
        try:
            for _ in range(workers):
                pool.submit(all_there.wait)
        except RuntimeError:  # no more threads, or Python is ending: whoever asks for work is told
            all_there.abort()

    starter = threading.Thread(target=start, daemon=True)
    starter.start()
    starter.join()
    return pool


def _after_fork() -> None:
    """A child has none of its parent's threads, and a lock may have been held at the fork: start afresh."""
    global _pool, _pool_size, _lock
    _pool, _pool_size, _lock = None, 0, threading.RLock()
    blas.reset()


def parallel_for(task: Callable[[int], None], count: int, work: float = float("inf")) -> None:
    """Call task(0) .. task(count - 1), each once, on thread_count() threads; the first exception is raised.

    Tasks must write to places of their own. `work` is the number of elements touched in all: little work is not
    worth waking a thread (20 to 50 us).
    """
    threads = min(thread_count(), count)
    if threads <= 1 or work < 1 << 15 or _sharing.get():
        blas.single(_run, task, range(count))
    else:
        blas.single(_share, task, count, threads)


@restored
def _run(task: Callable[[int], None], numbers: Iterable[int]) -> None:
    np.seterr(all="ignore")  # an inf or NaN travels on to the result, without a warning on the way
    for i in numbers:
        task(i)


@restored
def _drain(task: Callable[[int], None], numbers: Iterable[int]) -> None:
    _sharing.set(True)
    _run(task, numbers)


def _share(task: Callable[[int], None], count: int, threads: int) -> None:
    tickets = itertools.count()  # next() on it is atomic
    given = [task]  # emptied at the end: a helper that waits in the queue, cancelled, would keep the task's arrays

    def drain() -> None:
        _drain(given[0], takewhile(count.__gt__, tickets))

    helpers = [_executor(threads - 1).submit(drain) for _ in range(threads - 1)]
    try:
        drain()
    finally:
        next_error = None
        for helper in helpers:
            if not helper.cancel():  # one that has not begun has nothing left to do: do not wait for a core
                next_error = helper.exception() or next_error
        given.clear()
    if next_error is not None:
        raise next_error


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
