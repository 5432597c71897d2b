"""Labels out of range on CUDA streams, on the look-alike of CuPy: each stream has its record, and is read in itself."""

import threading

import numpy as np
import pytest

import gpunn
from gpunn import ops
from gpunn.backend import faults

INSIDE = []


class Stream:
    def __init__(self, ptr):
        self.ptr = ptr

    def __enter__(self):
        INSIDE.append(self.ptr)

    def __exit__(self, *exc_info):
        INSIDE.pop()

    def is_capturing(self):
        return False


@pytest.fixture
def cuda(look_alike):
    if not gpunn.is_available("emulator"):
        pytest.skip("the stand-in runs kernels on the emulator, which is not available here (gpunn doctor says why)")
    return look_alike.cuda


def lose(*labels):
    x = gpunn.to_device(np.zeros((len(labels), 3), np.float32), "cuda")
    return ops.cross_entropy(x, gpunn.to_device(np.array(labels), "cuda"))


def test_a_record_is_read_in_its_own_stream_whatever_stream_reads(cuda, monkeypatch):
    read_in = []
    look = faults._look
    monkeypatch.setattr(faults, "_look", lambda *args: (read_in.append(list(INSIDE)), look(*args)))
    monkeypatch.setattr(cuda, "get_current_stream", lambda: Stream(64))
    lose(0, 5)
    monkeypatch.setattr(cuda, "get_current_stream", lambda: Stream(0))
    good = lose(0, 1)
    with pytest.raises(IndexError, match="label 5"):
        gpunn.to_numpy(good)
    assert read_in == [[64]]
    assert gpunn.to_numpy(good) > 0
    assert read_in == [[64], [0]] and len(faults._records) == 2


def test_threads_with_a_default_stream_each_share_no_ticket(cuda, monkeypatch):
    monkeypatch.setattr(cuda, "get_current_stream", lambda: Stream(2))
    lose(0)
    other = threading.Thread(target=lose, args=(1,))
    other.start()
    other.join()
    assert len(faults._records) == 2


def test_calls_of_one_kind_are_kept_once(cuda, monkeypatch):
    monkeypatch.setattr(faults, "_calls", {})
    before = faults.last_serial()
    for rows in (1, 2, 1, 2, 1):
        lose(*[0] * rows)
    assert len(faults._calls) == 2 and faults.last_serial() == before + 5
