"""Devices and dispatch on a machine that may have no GPU."""

import threading
from contextlib import contextmanager
from types import SimpleNamespace

import numpy as np
import pytest

import gpunn
from gpunn import Device, DeviceError, Tensor, backend
from gpunn.backend.device import _entered


def test_names_become_devices():
    assert str(backend.device("cuda:1")) == "cuda:1"
    assert backend.device("cuda") == Device("cuda", 0)
    assert backend.device(Device("cpu")) == Device("cpu")


@pytest.mark.parametrize("name", ["gpu", "cdua", "cuda:x", "cpu:1", "", 3.0])
def test_an_unknown_device_is_named(name):
    with pytest.raises(ValueError, match=r"device: .* is no device; expected 'cpu', 'cuda', 'cuda:1' or 'emulator'"):
        backend.device(name)


def test_the_nearest_device_is_suggested():
    with pytest.raises(ValueError, match="did you mean cuda"):
        backend.device("gpu")


def test_the_default_is_scoped_to_the_block_and_the_thread():
    seen = []
    with gpunn.device("cpu") as entered:
        assert gpunn.default_device() == entered == Device("cpu")
        thread = threading.Thread(target=lambda: seen.append(_entered.get()))
        thread.start()
        thread.join()
    assert seen == [()]
    gpunn.set_default_device("cpu")
    assert gpunn.default_device() == Device("cpu")


@pytest.mark.skipif(not gpunn.is_available("emulator"), reason="the emulator is not available here")
def test_the_default_that_was_set_is_the_one_of_all_threads_but_for_their_blocks():
    seen, waiting = [], threading.Barrier(2, timeout=10)

    def work():
        seen.append(gpunn.default_device())
        with gpunn.device("cpu"):
            waiting.wait()
            seen.append(gpunn.default_device())
            waiting.wait()

    gpunn.set_default_device("emulator")
    try:
        thread = threading.Thread(target=work)
        thread.start()
        waiting.wait()
        assert gpunn.default_device() == Device("emulator")
        waiting.wait()
        thread.join()
    finally:
        gpunn.set_default_device("cpu")
    assert seen == [Device("emulator"), Device("cpu")]


@pytest.mark.skipif(gpunn.is_available("cuda"), reason="this machine has a CUDA device")
def test_a_missing_gpu_says_what_to_do():
    for use in (
        lambda: gpunn.set_default_device("cuda"),
        lambda: gpunn.device("cuda").__enter__(),
        lambda: Tensor([1.0]).to("cuda"),
        lambda: gpunn.to_device(np.ones(3), "cuda"),
    ):
        with pytest.raises(DeviceError, match=r"device 'cuda': .*(gpunn\[cuda12\]|gpunn doctor).*"):
            use()
    assert gpunn.default_device() == Device("cpu")


def test_arrays_say_where_they_live():
    x = np.ones((2, 3))
    assert backend.device_of(x) == Device("cpu")
    assert backend.array_module(x) is np
    assert backend.twins(x).__name__ == "gpunn.cpu"
    assert backend.to_device(x, "cpu") is x
    assert backend.to_numpy(Tensor(x)) is x


def test_asarray_makes_floats_float32_and_keeps_arrays():
    assert backend.asarray([1.5, 2]).dtype == np.float32
    assert backend.asarray(2).dtype == np.int64
    assert backend.asarray(np.ones(2)).dtype == np.float64
    assert backend.asarray(np.ones(2), dtype="float32").dtype == np.float32


def test_read_only_dlpack_memory_is_copied():
    frozen = np.arange(3.0)
    frozen.flags.writeable = False

    class Exporter:
        def __dlpack__(self, **options):
            return np.arange(3.0).__dlpack__(**options)

        def __dlpack_device__(self):
            return frozen.__dlpack_device__()

    got = backend.asarray(Exporter())
    assert got.flags.writeable
    assert got.tolist() == [0, 1, 2]


def test_synchronise_waits_for_the_stream_of_a_gpu_and_for_nothing_on_the_cpu(monkeypatch):
    events = []

    @contextmanager
    def current(index):
        events.append(f"on {index}")
        yield
        events.append(f"off {index}")

    stream = SimpleNamespace(synchronize=lambda: events.append("waits"))
    cuda = SimpleNamespace(Device=current, get_current_stream=lambda: stream)
    monkeypatch.setattr(backend.loading, "_load_cupy", lambda: (SimpleNamespace(cuda=cuda), ""))
    backend.synchronize()
    backend.synchronize("cpu")
    backend.synchronize("emulator")
    assert events == []
    backend.synchronize("cuda:1")
    assert events == ["on 1", "waits", "off 1"]
