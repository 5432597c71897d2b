"""What runs on a GPU alone, as far as it can be tested without one: kernels compile, calls come in order."""

import contextlib
import types

import pytest

from bench import clocks, measure
from bench.rows import Row
from gpunn import backend


def test_peak_kernels_compile():
    from bench.kernels import roofline
    from gpunn.cuda.nvrtc import Compiler, find_library
    from gpunn.errors import DeviceError

    try:
        find_library()
    except DeviceError as error:
        pytest.skip(str(error))
    compiler = Compiler()
    for precision, architecture in (("fp32", 75), ("fp64", 75), ("fp16", 80), ("tf32", 80), ("bf16", 90)):
        text = roofline.register_source(roofline.register_macros(precision))
        cubin, log = compiler.cubin(text, "peak", architecture)
        assert cubin and " 0 bytes spill stores" in log
    assert compiler.cubin(clocks.SPIN, "spin", 90)[0]


class _Recorder:
    """Enough of CuPy's names for `CudaClock`; notes the order of what it is told."""

    def __init__(self):
        self.log: list[str] = []
        log = self.log

        class Event:
            def record(self, stream):
                log.append("record")

            def synchronize(self):
                log.append("wait")

        stream = object()
        device = types.SimpleNamespace(attributes={"ClockRate": 1_000_000, "L2CacheSize": 50 << 20})
        memory = types.SimpleNamespace(memset_async=lambda value, size, stream: log.append(f"flush {size >> 20}"))
        self.cuda = types.SimpleNamespace(
            Device=lambda: device,
            Event=Event,
            get_current_stream=lambda: stream,
            get_elapsed_time=lambda start, end: 2.0,
        )
        self.empty = lambda size, dtype: types.SimpleNamespace(data=memory, nbytes=size)
        self.RawKernel = lambda text, name: lambda grid, block, args: log.append("spin")


def test_wall_clock_waits_before_and_after(monkeypatch):
    fake = _Recorder()
    fake.cuda.Device = lambda: types.SimpleNamespace(synchronize=lambda: fake.log.append("wait"))
    monkeypatch.setattr(backend, "require_cupy", lambda: fake)
    seconds, host = clocks.WallClock(2).once(lambda: fake.log.append("call"))
    assert fake.log == ["wait", "call", "call", "wait"]
    assert host is not None and 0 < host <= seconds


def test_cuda_clock_flushes_and_hides_the_launch(monkeypatch):
    fake = _Recorder()
    monkeypatch.setattr(backend, "require_cupy", lambda: fake)
    clock = clocks.CudaClock()
    seconds, host = clock.once(lambda: fake.log.append("call"))
    assert fake.log == ["flush 100", "spin", "record", "call", "record", "wait"]
    assert seconds == pytest.approx(2e-3)
    assert host is not None and host > 0


class _Stream:
    def __init__(self, log, non_blocking=False):
        self.log = log

    def __enter__(self):
        self.log.append("enter")

    def __exit__(self, *exc_info):
        self.log.append("leave")

    def synchronize(self):
        self.log.append("wait")

    def begin_capture(self):
        self.log.append("begin")

    def end_capture(self):
        self.log.append("end")
        return types.SimpleNamespace(
            upload=lambda stream: self.log.append("upload"), launch=lambda stream: self.log.append("launch")
        )


def _capturing(monkeypatch):
    log: list[str] = []
    cuda = types.SimpleNamespace(
        Stream=lambda non_blocking: _Stream(log, non_blocking),
        MemoryPool=lambda: types.SimpleNamespace(malloc=None),
        using_allocator=lambda malloc: contextlib.nullcontext(),
        get_current_stream=lambda: _Stream(log),
    )
    monkeypatch.setattr(backend, "require_cupy", lambda: types.SimpleNamespace(cuda=cuda))
    return log


def test_a_call_is_warmed_up_then_captured_then_replayed(monkeypatch):
    log = _capturing(monkeypatch)
    with clocks.captured(lambda: log.append("call")) as replay:
        replay(), replay()
    warm, captured = ["enter", "call", "call", "wait"], ["begin", "call", "end", "leave"]
    assert log == [*warm, *captured, "upload", "launch", "launch", "wait"]


def test_a_call_that_cannot_be_captured_ends_the_capture(monkeypatch):
    log = _capturing(monkeypatch)

    def call():
        if "begin" in log:
            raise RuntimeError("a host read")

    with pytest.raises(RuntimeError, match="a host read"), clocks.captured(call):
        raise AssertionError("the block must not run")
    assert log[-2:] == ["end", "leave"]


def test_what_cannot_be_captured_has_no_figures_of_the_eager_call(monkeypatch):
    _capturing(monkeypatch)

    def call():
        raise RuntimeError("a host read\nand more")

    plan = measure.Plan(types.SimpleNamespace(repeats=1, budget=0, device="cpu"), "cuda")
    eager = measure.timed(Row("launch", "conv2d", "conv2d.forward", "eager"), lambda: None, {}, plan, host=True)
    assert eager.seconds is not None
    refused = measure.captured(Row("launch", "conv2d", "conv2d.forward", "eager"), call, plan, host=True)
    assert (refused.status, refused.reason) == ("refused", "not capturable: RuntimeError: a host read")
    assert refused.variant == "captured" and refused.seconds is None
