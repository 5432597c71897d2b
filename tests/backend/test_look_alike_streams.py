"""Streams, events and threads of the look-alike of CuPy, outside of captures and inside."""

import threading

import numpy as np
import pytest

from tests import counting
from tests.backend.graphs import X
from tests.backend.graphs import stream as stream
from tests.backend.graphs import xp as xp


def test_each_thread_has_its_current_stream_and_others_do_not_record(xp, stream):
    x, seen = xp.asarray(X), []

    def other():
        seen.append(xp.cuda.get_current_stream().ptr)
        seen.append((x + 1).sum().item())

    with stream:
        assert xp.cuda.get_current_stream() == stream and stream.ptr
        stream.begin_capture()
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
        graph = stream.end_capture()
    assert xp.cuda.get_current_stream() == xp.cuda.Stream.null
    assert seen == [0, (X + 1).sum()] and not counting.graph_nodes(graph)


def test_two_threads_capture_two_graphs(xp):
    meet, sums = threading.Barrier(2), [None, None]

    def one(i):
        stream, x = xp.cuda.Stream(non_blocking=True), xp.asarray(X)
        with stream, xp.cuda.using_allocator(xp.cuda.MemoryPool().malloc):
            x.sum(), (x * i)
            stream.begin_capture(xp.cuda.runtime.streamCaptureModeThreadLocal)
            meet.wait(10)
            found = (x * i).sum()
            meet.wait(10)
            graph = stream.end_capture()
            graph.launch()
            sums[i] = found.item(), counting.graph_nodes(graph)

    threads = [threading.Thread(target=one, args=(i,)) for i in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sums == [(0.0, ["mul", "sum"]), (X.sum(), ["mul", "sum"])]


def test_another_thread_ends_no_thread_local_capture(xp, stream):
    stream.begin_capture(xp.cuda.runtime.streamCaptureModeThreadLocal)
    caught = []

    def end():
        try:
            stream.end_capture()
        except xp.cuda.runtime.CUDARuntimeError as error:
            caught.append(error.status)

    thread = threading.Thread(target=end)
    thread.start()
    thread.join(10)
    assert caught == [908]
    with pytest.raises(xp.cuda.runtime.CUDARuntimeError, match="Invalidated"):
        stream.end_capture()


def test_a_global_capture_forbids_growth_in_other_threads(xp, stream):
    for mode, expected in (("Global", 900), ("ThreadLocal", None)):
        caught = []

        def grow(caught=caught):
            try:
                with xp.cuda.using_allocator(xp.cuda.MemoryPool().malloc):
                    xp.empty(3)
                caught.append(None)
            except xp.cuda.runtime.CUDARuntimeError as error:
                caught.append(error.status)

        stream.begin_capture(getattr(xp.cuda.runtime, f"streamCaptureMode{mode}"))
        thread = threading.Thread(target=grow)
        thread.start()
        thread.join(10)
        assert caught == [expected]
        if expected is None:
            stream.end_capture()
        else:
            with pytest.raises(xp.cuda.runtime.CUDARuntimeError):
                stream.end_capture()


def test_a_stream_joins_by_events_and_must_come_back(xp, stream):
    other, x = xp.cuda.Stream(non_blocking=True), xp.asarray(X)
    for comes_back, goes_on in ((True, False), (False, False), (True, True)):
        stream.begin_capture()
        other.wait_event(stream.record())
        assert other.is_capturing()
        with other:
            x += 1
        np.testing.assert_array_equal(x.get(), X)
        if comes_back:
            stream.wait_event(other.record())
        if goes_on:
            with other:
                x += 1
        if comes_back and not goes_on:
            assert counting.graph_nodes(stream.end_capture()) == ["iadd"]
        else:
            with pytest.raises(xp.cuda.runtime.CUDARuntimeError, match="StreamCaptureUnjoined"):
                stream.end_capture()
        assert not other.is_capturing()


def test_events_of_captures(xp, stream):
    error = xp.cuda.runtime.CUDARuntimeError
    before = xp.cuda.Stream.null.record()
    assert before.done
    before.synchronize()
    stream.begin_capture()
    event = stream.record()
    with pytest.raises(error, match="cudaErrorCapturedEvent"):
        event.synchronize()
    with pytest.raises(error):
        stream.end_capture()
    event.synchronize()
    stream.begin_capture()
    with pytest.raises(error, match="cudaErrorStreamCaptureIsolation"):
        stream.wait_event(before)
    with pytest.raises(error):
        stream.end_capture()


def test_a_host_function_runs_in_its_place(xp, stream):
    seen, x = [], xp.asarray(np.float32(1))
    with stream:
        stream.launch_host_func(seen.append, "now")
        stream.begin_capture()
        x += 1
        stream.launch_host_func(lambda x: seen.append(float(x)), x)
        x += 1
        graph = stream.end_capture()
    assert seen == ["now"]
    graph.launch(stream)
    assert seen == ["now", 2.0] and x.item() == 3
