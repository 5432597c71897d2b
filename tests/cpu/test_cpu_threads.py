"""parallel_for: every task once, errors, nesting, forks, the environment, BLAS left as it was."""

import os
import subprocess
import sys
import threading
import weakref

import numpy as np
import pytest

from gpunn.cpu import threads
from gpunn.cpu.blas import blas


@pytest.fixture(autouse=True)
def _four_threads():
    before = threads.thread_count()
    threads.set_thread_count(4)
    yield
    threads.set_thread_count(before)


@pytest.mark.parametrize("count", [0, 1, 2, 3, 100])
def test_every_task_runs_once(count):
    done = np.zeros(count, int)

    def task(i):
        done[i] += 1

    threads.parallel_for(task, count)
    assert (done == 1).all()


def test_tasks_share_the_work():
    names, all_here = set(), threading.Barrier(4)

    def task(i):
        names.add(threading.current_thread().name)
        all_here.wait(timeout=20)

    threads.parallel_for(task, 4)
    assert len(names) == 4


def test_little_work_stays_in_the_callers_thread():
    names = set()
    threads.parallel_for(lambda i: names.add(threading.current_thread().name), 8, work=10)
    assert names == {threading.current_thread().name}


@pytest.mark.parametrize("bad", [0, 5, 11])
def test_an_error_comes_out(bad):
    def task(i):
        if i == bad:
            raise ValueError(f"task {i}")

    with pytest.raises(ValueError, match=f"task {bad}"):
        threads.parallel_for(task, 12)
    threads.parallel_for(lambda i: None, 12)


def test_a_task_may_call_parallel_for():
    done = np.zeros((6, 5), int)

    def outer(i):
        def inner(j):
            done[i, j] += 1

        threads.parallel_for(inner, 5)

    threads.parallel_for(outer, 6)
    assert (done == 1).all()


def test_several_callers_at_once():
    done = np.zeros((5, 50), int)

    def call(i):
        def task(j):
            done[i, j] += 1

        threads.parallel_for(task, 50)

    callers = [threading.Thread(target=call, args=(i,)) for i in range(5)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert (done == 1).all()


def test_work_that_no_thread_took_up_keeps_no_arrays():
    """Every thread is at work elsewhere: the caller did it all, and what waits for them is of no use."""
    free, array = threading.Event(), np.zeros(4)
    alive = weakref.ref(array)
    busy = [threads._executor(3).submit(free.wait) for _ in range(threads._pool_size)]
    try:
        threads.parallel_for(lambda i, array=array: array.sum(), 8)
        del array
        assert alive() is None
    finally:
        free.set()
    assert all(one.result() for one in busy)


def test_blas_has_one_thread_inside_and_its_own_count_after():
    if blas.core is None:
        pytest.skip("NumPy's BLAS is no OpenBLAS that was found")
    getter, setter = blas._functions
    before = getter()
    setter(2)
    try:
        inside = []
        threads.parallel_for(lambda i: inside.append(getter()), 4)
        with pytest.raises(ZeroDivisionError):
            threads.parallel_for(lambda i: 1 / 0, 4)
        assert inside == [1] * 4
        assert getter() == 2
    finally:
        setter(before)


def test_works_without_openblas(monkeypatch):
    monkeypatch.setattr(blas, "_functions", None)
    done = []
    threads.parallel_for(done.append, 6)
    assert sorted(done) == list(range(6))


def test_a_count_below_one_is_refused():
    with pytest.raises(ValueError, match="set_thread_count: got 0, expected at least 1"):
        threads.set_thread_count(0)


def run(code, **environment):
    clean = {k: v for k, v in os.environ.items() if k not in ("GPUNN_NUM_THREADS", "OMP_NUM_THREADS")}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False, env=clean | environment
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"GPUNN_NUM_THREADS": "3"}, "3"),
        ({"OMP_NUM_THREADS": "5"}, "5"),
        ({"GPUNN_NUM_THREADS": "3", "OMP_NUM_THREADS": "5"}, "3"),
        ({"GPUNN_NUM_THREADS": "many", "OMP_NUM_THREADS": "0"}, "cores"),
        ({"GPUNN_NUM_THREADS": "²", "OMP_NUM_THREADS": "9" * 5000}, "cores"),
        ({"GPUNN_NUM_THREADS": "100000"}, "1024"),
    ],
)
def test_the_environment_chooses(environment, expected):
    code = "from gpunn.cpu.threads import thread_count; import os\nprint(thread_count(), len(os.sched_getaffinity(0)))"
    if not hasattr(os, "sched_getaffinity"):
        pytest.skip("this system has no sched_getaffinity")
    count, cores = run(code, **environment).split()
    assert count == (cores if expected == "cores" else expected)


def test_a_forked_child_makes_threads_of_its_own():
    if not hasattr(os, "fork"):
        pytest.skip("this system has no fork")
    code = """
import os, warnings
from gpunn.cpu.threads import parallel_for, set_thread_count
warnings.simplefilter("ignore")
set_thread_count(3)
parallel_for(lambda i: None, 9)
child = os.fork()
if child == 0:
    done = []
    parallel_for(done.append, 9)
    os._exit(0 if sorted(done) == list(range(9)) else 1)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    assert run(code) == "0"
