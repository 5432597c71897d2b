"""pin_memory with device="cuda": page-locked buffers, a stream of its own, each batch copied beside the one before."""

import numpy as np
import pytest

from gpunn import Tensor, backend
from gpunn.cuda.staging import Staging
from gpunn.data import ArrayDataset, DataLoader, TensorDataset

X = np.arange(23 * 6, dtype=np.float32).reshape(23, 3, 2)
Y = np.arange(23)


@pytest.fixture
def seen(look_alike, monkeypatch):
    """What happens, in order, on the look-alike of CuPy."""
    events: list[tuple] = []
    pointer, stream, event = look_alike.cuda.MemoryPointer, look_alike.cuda.Stream, look_alike.cuda.Event
    copy, wait, record = pointer.copy_from_host_async, stream.wait_event, event.record

    def copied(self, mem, size, stream=None):
        events.append(("copy", mem, stream.ptr))
        copy(self, mem, size, stream)

    def waited(self, which):
        events.append(("wait", self.ptr, id(which)))
        wait(self, which)

    def recorded(self, on=None):
        events.append(("record", on.ptr, id(self)))
        record(self, on)

    monkeypatch.setattr(pointer, "copy_from_host_async", copied)
    monkeypatch.setattr(stream, "wait_event", waited)
    monkeypatch.setattr(event, "record", recorded)
    return events


def test_batches_are_those_of_any_loader(look_alike):
    for dataset in (ArrayDataset(X, Y), TensorDataset(X, Y), ArrayDataset(X.transpose(0, 2, 1), Y > 4)):
        pinned, plain = (list(DataLoader(dataset, 4, device="cuda", pin_memory=p)) for p in (True, False))
        for got, want in zip(pinned, plain, strict=True):
            assert type(got) is type(want)
            for a, b, given in zip(got, want, got.given, strict=True):
                assert isinstance(a, Tensor) or str(backend.device_of(a)) == "cuda"
                assert (
                    type(a) is type(b)
                    and a.dtype == b.dtype
                    and np.array_equal(backend.to_numpy(a), backend.to_numpy(b))
                )
                assert np.array_equal(given, backend.to_numpy(a)) and isinstance(given, np.ndarray)


def test_memory_order_and_odd_arrays(look_alike):
    staging = Staging(0)
    channels_last = np.arange(48.0).reshape(2, 4, 2, 3).transpose(0, 3, 1, 2)
    cases = [
        channels_last,
        X[::2],
        X[:, ::-1],
        np.zeros((0, 3)),
        np.asarray(3.0),
        np.asarray([True]),
        np.float16([1, 2]),
    ]
    for array in cases:
        staging.begin()
        there = staging.place(array)
        staging.arrive(staging.end())
        assert there.shape == array.shape and there.dtype == array.dtype
        assert np.array_equal(backend.to_numpy(there), array)
    staging.begin()
    assert staging.place(channels_last).strides == channels_last.strides
    already = backend.to_device(X, "cuda")
    assert staging.place(already) is already


def test_each_batch_is_copied_before_the_one_before_is_handed_over(seen):
    batches = iter(DataLoader(ArrayDataset(X), 4, device="cuda", pin_memory=True))
    next(batches)
    copies = [event for event in seen if event[0] == "copy"]
    assert len(copies) == 2, "the second is on its way"
    own = {event[2] for event in copies}
    assert len(own) == 1 and own != {0}, "on a stream that is not the caller's"
    done = [event[2] for event in seen if event[0] == "record" and event[1] in own]
    handed = [event[2] for event in seen if event[0] == "wait" and event[1] not in own]
    assert len(done) == 2 and handed == done[:1], "the caller's stream waits for the first copy alone"
    before = [event for event in seen if event[0] == "wait" and event[1] in own]
    assert len(before) == 2, "a copy waits for what used its memory before"
    rest = list(batches)
    assert len(rest) == 5 and len({event[1] for event in seen if event[0] == "copy"}) == 2, "two buffers take turns"
    handed = [event[2] for event in seen if event[0] == "wait" and event[1] not in own]
    assert handed == [event[2] for event in seen if event[0] == "record" and event[1] in own]


def test_break_waits_for_what_is_on_its_way(look_alike, monkeypatch):
    waited = []
    monkeypatch.setattr(look_alike.cuda.Stream, "synchronize", lambda self: waited.append(self.ptr))
    for _ in DataLoader(ArrayDataset(X), 4, device="cuda", pin_memory=True):
        break
    assert len(waited) == 1


def test_no_effect_elsewhere():
    for device in (None, "cpu", "emulator"):
        pinned = DataLoader(TensorDataset(X), 23, device=device, pin_memory=True)
        assert np.array_equal(next(iter(pinned))[0].numpy(), X)


def test_gradients_go_along(look_alike):
    x = Tensor(X, requires_grad=True)
    for (batch,) in DataLoader(TensorDataset(x), 12, device="cuda", pin_memory=True):
        batch.backward(backend.to_device(np.ones(batch.shape, np.float32), "cuda"))
    assert np.array_equal(np.asarray(x.grad), np.ones_like(X))
