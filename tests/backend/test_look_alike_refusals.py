"""What the look-alike of CuPy refuses while a stream captures, in CuPy's words, and what that leaves of the capture."""

import numpy as np
import pytest

from tests.backend.graphs import X
from tests.backend.graphs import stream as stream
from tests.backend.graphs import xp as xp

READS = {
    "get": lambda xp, x: x.get(),
    "item": lambda xp, x: x[0, 0].item(),
    "tolist": lambda xp, x: x.tolist(),
    "float": lambda xp, x: float(x[0, 0]),
    "bool": lambda xp, x: bool(x[0, 0]),
    "asnumpy": lambda xp, x: xp.asnumpy(x),
    "mask": lambda xp, x: x[x > 1],
    "mask set": lambda xp, x: x.__setitem__(x > 1, 0),
    "nonzero": lambda xp, x: xp.nonzero(x),
    "where": lambda xp, x: xp.where(x),
    "to the host": lambda xp, x: x.data.copy_to_host_async(np.empty(1).ctypes.data, 4),
}
SENDS = {
    "asarray": lambda xp, x: xp.asarray(X),
    "list": lambda xp, x: xp.asarray([1, 2]),
    "array": lambda xp, x: xp.array([1, 2]),
    "set": lambda xp, x: x.set(X),
    "index list": lambda xp, x: x[[0, 1]],
    "index array": lambda xp, x: x[np.array([0, 1])],
    "index of a set": lambda xp, x: x.__setitem__((slice(None), [0, 1]), 0),
    "from pinned memory": lambda xp, x: x.data.copy_from_host_async(xp.cuda.alloc_pinned_memory(8).ptr, 8),
}
LIBRARIES = {
    "matmul": (lambda xp, x: xp.matmul(x, x.T), "cuBLAS"),
    "@": (lambda xp, x: x @ x.T, "cuBLAS"),
    "dot": (lambda xp, x: x.dot(x.T), "cuBLAS"),
    "tensordot": (lambda xp, x: xp.tensordot(x, x), "cuBLAS"),
    "random": (lambda xp, x: xp.random.random(3), "cuRAND"),
    "solve": (lambda xp, x: xp.linalg.solve(x[:, 1:] ** 3, x), "cuSOLVER"),
}
REFUSED = (
    {name: (run, RuntimeError, "the current stream is capturing, so D2H transfers") for name, run in READS.items()}
    | {name: (run, RuntimeError, "the current stream is capturing, so H2D transfers") for name, run in SENDS.items()}
    | {name: (run, NotImplementedError, f"calling {which} API") for name, (run, which) in LIBRARIES.items()}
    | {
        "memset": (lambda xp, x: x.data.memset(0, 4), RuntimeError, "synchronous API calls are disallowed"),
        "copy": (lambda xp, x: x.data.copy_from_device(x.data, 4), RuntimeError, "synchronous API calls are disall"),
    }
)


@pytest.mark.parametrize("name", REFUSED)
def test_cupy_refuses_before_cuda_is_asked_so_the_capture_goes_on(name, xp, stream):
    if name == "random":
        pytest.importorskip("cupy", reason="the record of CuPy's names has none of cupy.random")
    run, error, words = REFUSED[name]
    pool, x = xp.cuda.MemoryPool(), xp.asarray(X)
    with stream, xp.cuda.using_allocator(pool.malloc):
        for _ in range(2):
            xp.empty(1 << 16)  # room, so that no growth is what is refused
        stream.begin_capture()
        with pytest.raises(error, match=words):
            run(xp, x)
        assert stream.is_capturing()
        stream.end_capture()
        np.testing.assert_array_equal(x.get(), X)
        run(xp, xp.asarray(X))


WAITS = {
    "stream": lambda xp, stream: stream.synchronize(),
    "device": lambda xp, stream: xp.cuda.Device().synchronize(),
    "growth": lambda xp, stream: xp.empty(10),
}


@pytest.mark.parametrize("name", WAITS)
def test_what_cuda_refuses_spoils_the_capture(name, xp, stream):
    x = xp.asarray(X)
    with stream:
        stream.begin_capture()
        with pytest.raises(xp.cuda.runtime.CUDARuntimeError, match="cudaErrorStreamCaptureUnsupported") as caught:
            WAITS[name](xp, stream)
        assert caught.value.status == 900
        with pytest.raises(RuntimeError, match="an error has invalidated the capture sequence"):
            stream.is_capturing()
        with pytest.raises(xp.cuda.driver.CUDADriverError, match="CUDA_ERROR_STREAM_CAPTURE_INVALIDATED"):
            x += 1
        with pytest.raises(xp.cuda.runtime.CUDARuntimeError, match="cudaErrorStreamCaptureInvalidated"):
            stream.end_capture()
        assert not stream.is_capturing()
        WAITS[name](xp, stream)
        stream.synchronize()
    np.testing.assert_array_equal(x.get(), X)


def test_asking_whether_it_is_done_spoils_the_capture(xp, stream):
    with stream:
        stream.begin_capture()
        assert not stream.done
        with pytest.raises(xp.cuda.runtime.CUDARuntimeError, match="Invalidated"):
            stream.end_capture()
        assert stream.done


def test_captures_begin_and_end_once(xp, stream):
    error = xp.cuda.runtime.CUDARuntimeError
    with pytest.raises(RuntimeError, match=r"cannot capture on the default \(legacy\) stream"):
        xp.cuda.Stream.null.begin_capture()
    with pytest.raises(error, match="cudaErrorIllegalState"):
        stream.end_capture()
    stream.begin_capture()
    with pytest.raises(error, match="cudaErrorIllegalState"):
        stream.begin_capture()
    assert not xp.cuda.Stream.null.is_capturing()
    stream.end_capture()
    with pytest.raises(NotImplementedError, match="must be created via stream capture"):
        xp.cuda.Graph()


def test_a_blocking_stream_forbids_the_null_stream_while_it_captures(xp):
    stream, x = xp.cuda.Stream(), xp.asarray(X)
    stream.begin_capture()
    with pytest.raises(xp.cuda.runtime.CUDARuntimeError, match="cudaErrorStreamCaptureImplicit"):
        x += 1
    with pytest.raises(xp.cuda.runtime.CUDARuntimeError, match="Invalidated"):
        stream.end_capture()
