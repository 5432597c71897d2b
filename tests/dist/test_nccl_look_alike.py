"""The look-alike of NCCL: what it computes, and that it refuses what NCCL refuses or leaves undefined."""

import threading

import numpy as np
import pytest

from tests import cupy_nccl_meetings
from tests.cupy_device import Device


@pytest.fixture
def nccl(look_alike):
    return look_alike.cuda.nccl


@pytest.fixture
def comms(nccl):
    """Both ranks of a world, in this thread."""
    return nccl.NcclCommunicator.initAll(2)


def on(device, xp, values):
    with Device(device):
        return xp.asarray(np.asarray(values, np.float32))


def call(comm, name, *args, stream=0):
    """One call of a rank, on its device."""
    with Device(comm.device_id()):
        getattr(comm, name)(*args, stream)


def both(nccl, comms, name, *arguments):
    """The same call of both ranks in one group; by rank its arguments."""
    nccl.groupStart()
    try:
        for comm, args in zip(comms, arguments, strict=True):
            call(comm, name, *args)
    finally:
        nccl.groupEnd()


def test_what_each_call_computes(nccl, comms, look_alike):
    kind, n = nccl.NCCL_FLOAT32, 2
    a, b = on(0, look_alike, [1, 2, 3, 4]), on(1, look_alike, [10, 20, 30, 40])
    at = [x.data.ptr for x in (a, b)]
    both(nccl, comms, "allReduce", *[(p, p, n, kind, nccl.NCCL_MAX) for p in at])
    assert a.get().tolist() == [10, 20, 3, 4]
    both(nccl, comms, "reduceScatter", (at[0], at[0], n, kind, 0), (at[1], at[1] + 8, n, kind, 0))
    assert a.get().tolist()[:2] == [20, 40] and b.get().tolist()[2:] == [33, 44]
    both(nccl, comms, "allGather", (at[0], at[0], n, kind), (at[1] + 8, at[1], n, kind))
    assert a.get().tolist() == b.get().tolist() == [20, 40, 33, 44]
    both(nccl, comms, "reduce", *[(p, p, 1, kind, nccl.NCCL_AVG, 1) for p in at])
    both(nccl, comms, "bcast", *[(p + 4, 1, kind, 1) for p in at])
    nccl.groupStart()
    call(comms[0], "send", at[0], 1, kind, 1)
    call(comms[1], "recv", at[1] + 12, 1, kind, 0)
    nccl.groupEnd()
    assert a.get().tolist() == [20, 40, 33, 44] and b.get().tolist() == [20, 40, 33, 20]
    assert [(c.rank_id(), c.size(), c.device_id()) for c in comms] == [(0, 2, 0), (1, 2, 1)]


def test_memory_that_it_does_not_take(nccl, comms, look_alike):
    a, kind = on(0, look_alike, [[1, 2], [3, 4]]), nccl.NCCL_FLOAT32
    host = np.zeros(4, np.float32)
    for ptr, count in ((host.ctypes.data, 4), (on(1, look_alike, [1, 2]).data.ptr, 2), (a.data.ptr, 5)):
        with pytest.raises(nccl.NcclError, match="NCCL_ERROR_INVALID_ARGUMENT"):
            call(comms[0], "allReduce", ptr, ptr, count, kind, 0)
    with pytest.raises(AssertionError, match="the buffers overlap, and are not in place"):
        call(comms[0], "allReduce", a.data.ptr, a.data.ptr + 4, 3, kind, 0)
    column = a[:, 1]
    with pytest.raises(AssertionError, match="is not contiguous"):
        call(comms[0], "bcast", column.data.ptr, 2, kind, 0)


def test_numbers_that_it_does_not_know(nccl, comms, look_alike):
    ptr = on(0, look_alike, [1, 2]).data.ptr
    for args in ((ptr, ptr, 1, 10, 0), (ptr, ptr, 1, 7, 5)):
        with pytest.raises(nccl.NcclError, match="INVALID_ARGUMENT"):
            call(comms[0], "allReduce", *args)
    with pytest.raises(nccl.NcclError, match="INVALID_ARGUMENT"):
        call(comms[0], "bcast", ptr, 1, 7, 2)


def test_ranks_that_call_for_different_things(nccl, comms, look_alike):
    kept = on(0, look_alike, [1, 2, 3]), on(1, look_alike, [1, 2, 3])
    a, b = (x.data.ptr for x in kept)
    for other in ((b, b, 3, 7, 0), (b, b, 2, 2, 0), (b, b, 2, 7, 1)):
        with pytest.raises(AssertionError, match="the ranks' calls differ"):
            both(nccl, comms, "allReduce", (a, a, 2, 7, 0), other)
    nccl.groupStart()
    call(comms[0], "send", a, 2, 7, 1)
    call(comms[1], "recv", b, 3, 7, 0)
    with pytest.raises(AssertionError, match=r"rank 0 sends .* to rank 1, which receives"):
        nccl.groupEnd()


def test_groups(nccl, comms, look_alike):
    a = on(0, look_alike, [1, 2])
    with pytest.raises(nccl.NcclError, match="INVALID_USAGE"):
        nccl.groupEnd()
    with pytest.raises(AssertionError, match="1 of one thread's 2 ranks are in a group: they wait"):
        call(comms[0], "bcast", a.data.ptr, 2, 7, 0)
    with pytest.raises(AssertionError, match="ncclSend outside a group waits"):
        call(comms[0], "send", a.data.ptr, 2, 7, 1)
    stream = look_alike.cuda.Stream()
    nccl.groupStart()
    call(comms[0], "bcast", a.data.ptr, 2, 7, 0, stream=stream.ptr)
    for ask in (stream.synchronize, stream.record):
        with pytest.raises(AssertionError, match="an open group of NCCL's has not launched"):
            ask()
    with pytest.raises(AssertionError, match="are in a group: they wait"):
        nccl.groupEnd()
    stream.synchronize()


def test_streams(nccl, comms, look_alike):
    a = on(0, look_alike, [1, 2])
    with Device(1):
        other = look_alike.cuda.Stream()
    with pytest.raises(AssertionError, match="a stream of device 1 for a rank on device 0"):
        call(comms[0], "bcast", a.data.ptr, 2, 7, 0, stream=other.ptr)
    captured = look_alike.cuda.Stream(non_blocking=True)
    with Device(1):
        b = look_alike.ones(2, np.float32)
    captured.begin_capture()
    nccl.groupStart()
    call(comms[0], "bcast", a.data.ptr, 2, 7, 0, stream=captured.ptr)
    call(comms[1], "bcast", b.data.ptr, 2, 7, 0)
    with pytest.raises(nccl.NcclError, match="INVALID_USAGE"):  # one stream of a group captured, another not
        nccl.groupEnd()
    captured.end_capture()


def test_results_are_not_there_before_somebody_waits(nccl, look_alike):
    (comm,) = nccl.NcclCommunicator.initAll(1)

    def reduced(wait):
        a, stream = on(0, look_alike, [1, 2]), look_alike.cuda.Stream(non_blocking=True)
        call(comm, "allReduce", a.data.ptr, a.data.ptr, 2, 7, 0, stream=stream.ptr)
        event, found = stream.record(), a.get()
        assert np.isnan(found).all()
        wait(stream, event)
        return a.get().tolist()

    null = look_alike.cuda.Stream.null
    assert reduced(lambda stream, event: None) != [1, 2]
    assert reduced(lambda stream, event: null.wait_event(event)) == [1, 2]
    assert reduced(lambda stream, event: event.synchronize()) == [1, 2]
    assert reduced(lambda stream, event: stream.synchronize()) == [1, 2]
    assert reduced(lambda stream, event: event.done) == [1, 2]
    assert reduced(lambda stream, event: look_alike.cuda.runtime.deviceSynchronize()) == [1, 2]
    a, stream = on(0, look_alike, [1, 2]), look_alike.cuda.Stream(non_blocking=True)
    call(comm, "allReduce", a.data.ptr, a.data.ptr, 2, 7, 0, stream=stream.ptr)
    with stream:  # what follows there comes after it
        assert (a + 1).tolist() == [2, 3]


def test_a_destroyed_communicator(nccl, look_alike):
    (comm,) = nccl.NcclCommunicator.initAll(1)
    a, stream = on(0, look_alike, [1, 2]), look_alike.cuda.Stream(non_blocking=True)
    stream.begin_capture()
    call(comm, "bcast", a.data.ptr, 2, 7, 0, stream=stream.ptr)
    graph = stream.end_capture()
    with pytest.raises(AssertionError, match="ncclCommDestroy waits for the graphs"):
        comm.destroy()
    graph.launch()
    del graph
    comm.destroy()
    for ask in (comm.rank_id, comm.check_async_error, lambda: call_on(comm, a)):
        with pytest.raises(nccl.NcclError, match="INVALID_ARGUMENT"):
            ask()


def call_on(comm, a):
    comm.bcast(a.data.ptr, 2, 7, 0, 0)


def in_threads(nccl, *functions):
    """Each function(communicator) in a thread that is a rank, on a device of its number; what they raised."""
    name, errors = nccl.get_unique_id(), {}

    def run(rank, function):
        with Device(rank):
            try:
                function(nccl.NcclCommunicator(len(functions), name, rank))
            except Exception as error:
                errors[rank] = error

    threads = [threading.Thread(target=run, args=pair) for pair in enumerate(functions)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return errors


def test_ranks_in_threads(nccl, look_alike, monkeypatch):
    def eager(comm):
        call_on(comm, look_alike.ones(2, np.float32))

    def captured(comm):
        a, stream = look_alike.ones(2, np.float32), look_alike.cuda.Stream(non_blocking=True)
        stream.begin_capture()
        comm.bcast(a.data.ptr, 2, 7, 0, stream.ptr)
        stream.end_capture().launch()

    assert in_threads(nccl, eager, eager) == in_threads(nccl, captured, captured) == {}
    for error in in_threads(nccl, eager, captured).values():
        assert "one rank's call is captured, another's is not" in str(error)
    monkeypatch.setattr(cupy_nccl_meetings, "LIMIT", 0.5)
    (error,) = in_threads(nccl, eager, lambda comm: None).values()
    assert "rank 0 waited in vain for the 1 others" in str(error)


def test_joining(nccl):
    with pytest.raises(TypeError, match="expected bytes, got tuple"):
        nccl.NcclCommunicator(1, tuple(nccl.get_unique_id()), 0)
    with pytest.raises(ValueError, match="commId length 1 != 128"):
        nccl.NcclCommunicator(1, b"x", 0)
    with pytest.raises(nccl.NcclError, match="INVALID_ARGUMENT"):
        nccl.NcclCommunicator(2, nccl.get_unique_id(), 2)
    with pytest.raises(nccl.NcclError, match="INVALID_USAGE"):
        nccl.NcclCommunicator.initAll([0, 0])
