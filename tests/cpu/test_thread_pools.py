"""A thread pool that grows takes no work away from callers of the smaller one."""

from __future__ import annotations

import subprocess
import sys
import threading

from gpunn.cpu import threads


def test_work_for_the_pool_before_is_still_done(monkeypatch):
    monkeypatch.setattr(threads, "_pool", None)
    monkeypatch.setattr(threads, "_pool_size", 0)
    small = threads._executor(1)
    large = threads._executor(3)  # another caller, before the first has handed in its work
    assert small is not large
    assert small.submit(threading.get_ident).result() != threading.get_ident()


INTERRUPTED = """
import threading
from gpunn.cpu import threads

start = threading.Thread.start

def then_interrupted(thread):
    start(thread)
    if threading.current_thread() is threading.main_thread():
        raise KeyboardInterrupt

threads.set_thread_count(2)
threading.Thread.start = then_interrupted
try:
    threads.parallel_for(lambda i: None, 2)
except KeyboardInterrupt:
    print("interrupted")
"""


def test_a_process_interrupted_while_its_threads_start_ends():
    ended = subprocess.run([sys.executable, "-c", INTERRUPTED], capture_output=True, text=True, timeout=60)
    assert ended.stdout == "interrupted\n" and ended.returncode == 0


def test_a_pool_has_all_its_threads_and_no_more():
    pool = threads._started(3)
    assert len({one for one in threading.enumerate() if one in pool._threads}) == 3
    pool.shutdown()


def test_a_thread_that_cannot_start_leaves_none_waiting(monkeypatch):
    start = threading.Thread.start

    def refused(thread):
        if thread.name.startswith("gpunn_1"):
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refused)
    pool = threads._started(2)
    pool.shutdown(wait=False)
    for thread in list(pool._threads):
        thread.join(10)
        assert not thread.is_alive()
