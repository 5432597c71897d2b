"""DataLoader: order, resuming, transforms, the prefetching thread, errors."""

import gc
import signal
import threading
import time
import traceback

import numpy as np
import pytest

from gpunn import backend
from gpunn.data import ArrayDataset, DataLoader, Subset
from gpunn.errors import DataError, DeviceError

X = np.arange(46.0, dtype=np.float32).reshape(23, 2)
Y = np.arange(23)
DATA = ArrayDataset(X, Y)
both = pytest.mark.parametrize("prefetch", [0, 1, 3])


def order(batches) -> list[list[int]]:
    return [y.tolist() for _, y in batches]


def flat(batches) -> list[int]:
    return [i for batch in batches for i in batch]


def noisy(x, y, rng):
    return x + rng.standard_normal(x.shape, dtype=np.float32), y


def prefetching() -> list[threading.Thread]:
    return [t for t in threading.enumerate() if t.name == "gpunn-prefetch"]


@pytest.fixture(autouse=True)
def no_thread_stays():
    yield
    if prefetching():
        gc.collect()  # walks all that was ever imported: 0.1 s, so only where an iterator is still to be dropped
    assert prefetching() == []


@both
def test_in_order(prefetch):
    loader = DataLoader(DATA, 5, prefetch=prefetch)
    assert len(loader) == 5
    assert order(loader) == [list(range(i, min(i + 5, 23))) for i in range(0, 23, 5)]
    x, _ = next(iter(loader))
    assert x.dtype == np.float32 and x.tolist() == X[:5].tolist()


@both
def test_drop_last(prefetch):
    loader = DataLoader(DATA, 5, drop_last=True, prefetch=prefetch)
    assert len(loader) == 4 and [len(y) for y in order(loader)] == [5] * 4


@pytest.mark.parametrize("batch_size", [1, 23, 24, 1000])
def test_sizes_at_the_edges(batch_size):
    batches = order(DataLoader(DATA, batch_size))
    assert len(batches) == len(DataLoader(DATA, batch_size)) and flat(batches) == list(range(23))


def test_shuffle_depends_on_seed_and_epoch_alone():
    def orders(prefetch=2, seed=4, epoch=3):
        loader = DataLoader(DATA, 4, shuffle=True, seed=seed, prefetch=prefetch)
        loader.set_epoch(epoch)
        return order(loader)

    assert orders() == orders(prefetch=0) == orders()
    assert sorted(flat(orders())) == list(range(23))
    assert orders() != orders(seed=5) and orders() != orders(epoch=4)


def test_a_finished_pass_moves_to_the_next_epoch():
    loader = DataLoader(DATA, 4, shuffle=True)
    first, second = order(loader), order(loader)
    assert first != second and loader.epoch == 2
    next(iter(loader))
    assert loader.epoch == 2, "an abandoned pass does not count"
    loader.set_epoch(0)
    assert order(loader) == first and order(loader) == second


@both
@pytest.mark.parametrize("position", [0, 1, 3, 6])
def test_resumes_in_mid_epoch_to_the_same_bytes(prefetch, position):
    def loader():
        made = DataLoader(DATA, 4, shuffle=True, seed=1, prefetch=prefetch, transform=noisy)
        made.set_epoch(2)
        return made

    rest = list(loader().iter_from(position))
    whole = list(loader())[position:]
    assert len(rest) == 6 - position
    for a, b in zip(rest, whole, strict=True):
        assert [part.tobytes() for part in a] == [part.tobytes() for part in b]


def test_transform_draws_anew_each_batch_and_epoch():
    loader = DataLoader(ArrayDataset(np.zeros((8, 3))), 4, transform=lambda x, rng: x + rng.random(x.shape))
    draws = [x.tobytes() for _ in range(2) for (x,) in loader]
    assert len(set(draws)) == 4


def test_transform_may_change_the_batch_but_not_the_data():
    def spoil(x, y, rng):
        x[:] = -1
        return [x, y, y * 2]

    before = X.copy()
    batches = list(DataLoader(DATA, 23, transform=spoil))
    assert np.all(batches[0][0] == -1) and batches[0][2].tolist() == (2 * Y).tolist()
    np.testing.assert_array_equal(X, before)


def test_reads_subsets_and_foreign_data_sets():
    class Squares:
        def __len__(self):
            return 6

        def __getitem__(self, index):
            return (np.asarray(index) ** 2,)

    assert [x.tolist() for (x,) in DataLoader(Squares(), 4)] == [[0, 1, 4, 9], [16, 25]]
    assert order(DataLoader(Subset(DATA, [5, 3, 9]), 2)) == [[5, 3], [9]]


def test_moves_batches_to_the_device_in_the_iterating_thread(monkeypatch):
    seen = []

    def record(array, device):
        seen.append((str(device), threading.current_thread() is threading.main_thread()))
        return array

    loader = DataLoader(DATA, 10, device="cpu")
    monkeypatch.setattr(backend, "to_device", record)
    assert len(list(loader)) == 3
    assert seen == [("cpu", True)] * 6


def test_missing_device_shows_at_once():
    if backend.is_available("cuda"):
        pytest.skip("this machine has a CUDA device, so asking for it is no error")
    with pytest.raises(DeviceError, match="cuda"):
        DataLoader(DATA, 10, device="cuda")


def test_makes_batches_ahead_but_no_more_than_asked():
    made = []
    loader = DataLoader(DATA, 1, prefetch=3, transform=lambda x, y, rng: made.append(1) or (x, y))
    batches = iter(loader)
    next(batches)
    deadline = time.monotonic() + 5
    while len(made) < 4 and time.monotonic() < deadline:
        time.sleep(0.005)
    time.sleep(0.05)
    assert len(made) == 4, "one taken, three waiting"
    batches.close()


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="this system cannot signal a thread")
def test_ctrl_c_while_waiting_for_a_batch():
    started = threading.Event()

    def slow(x, y, rng):
        started.set()
        time.sleep(0.3)
        return x, y

    def press():
        started.wait(5)
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

    presser = threading.Thread(target=press)
    presser.start()
    with pytest.raises(KeyboardInterrupt):
        list(DataLoader(DATA, 4, transform=slow))
    presser.join()
    assert prefetching() == []


@both
def test_break_ends_the_thread(prefetch):
    for _ in range(3):
        for _ in DataLoader(DATA, 2, prefetch=prefetch):
            break
    assert prefetching() == []


def test_error_in_the_loop_ends_the_thread():
    with pytest.raises(KeyboardInterrupt):
        for _ in DataLoader(DATA, 2):
            raise KeyboardInterrupt
    assert prefetching() == []


def test_unstarted_and_repeated_iterators():
    loader = DataLoader(DATA, 4, shuffle=True)
    iter(loader)  # never advanced: no thread
    assert prefetching() == []
    pairs = list(zip(loader, loader, strict=True))
    assert all(a[1].tolist() == b[1].tolist() for a, b in pairs) and loader.epoch == 1


@both
def test_error_in_the_transform_names_its_batch(prefetch):
    def fail(x, y, rng):
        if 8 in y:
            raise IndexError("no such pixel")
        return x, y

    loader = DataLoader(DATA, 4, prefetch=prefetch, transform=fail)
    loader.set_epoch(1)
    seen = []
    words = r"DataLoader: transform failed at batch 2 of epoch 1 \(IndexError: no such pixel\)"
    with pytest.raises(DataError, match=words) as caught:
        for _, y in loader:
            seen.append(len(y))
    assert seen == [4, 4], "the batches before it arrive"
    assert isinstance(caught.value.__cause__, IndexError)
    frames = traceback.extract_tb(caught.value.__cause__.__traceback__)
    assert "fail" in [frame.name for frame in frames], "the line in the transform can be found"
    assert loader.epoch == 1


@both
def test_error_in_the_data_set_names_its_batch(prefetch):
    class Broken(ArrayDataset):
        def __getitem__(self, index):
            raise OSError("disk on fire")

    with pytest.raises(DataError, match=r"reading the data set failed at batch 0 of epoch 0 \(OSError: disk on fire\)"):
        list(DataLoader(Broken(X), 4, prefetch=prefetch))


@both
def test_memory_error_passes_unchanged(prefetch):
    def exhaust(x, y, rng):
        raise MemoryError("too large")

    with pytest.raises(MemoryError, match="too large"):
        list(DataLoader(DATA, 4, prefetch=prefetch, transform=exhaust))


@both
def test_transform_that_returns_no_tuple(prefetch):
    with pytest.raises(DataError, match=r"transform returned ndarray for a batch of 2 arrays; return a tuple with one"):
        list(DataLoader(DATA, 4, prefetch=prefetch, transform=lambda x, y, rng: x))
    with pytest.raises(DataError, match="transform returned NoneType for a batch of 1 arrays"):
        list(DataLoader(ArrayDataset(X), 4, prefetch=prefetch, transform=lambda x, rng: None))


class Alone:
    """A data set that gives what it holds, not a tuple."""

    batched = True

    def __init__(self, value):
        self.value = value

    def __len__(self):
        return 8

    def __getitem__(self, index):
        return self.value


def test_a_data_set_that_returns_no_tuple():
    """tuple(array) would be its rows: a batch of 4 arrays."""
    batches = list(DataLoader(Alone(X[:4]), 4))
    assert [len(batch) for batch in batches] == [1, 1] and batches[0][0].shape == X[:4].shape
    with pytest.raises(DataError, match="DataLoader: the data set returned dict for a batch of 1 arrays; return a tup"):
        list(DataLoader(Alone({"x": X}), 4))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"batch_size": 0}, "DataLoader: batch_size is 0; give a whole number of at least 1: samples a batch"),
        ({"batch_size": 2.0}, "DataLoader: batch_size is 2.0;"),
        ({"batch_size": True}, "DataLoader: batch_size is True;"),
        ({"prefetch": -1}, r"DataLoader: prefetch is -1; .* batches made ahead \(0: no thread\)"),
        ({"seed": -3}, "DataLoader: seed is -3; give a whole number of at least 0"),
        ({"seed": "x"}, "DataLoader: seed is 'x';"),
        ({"transform": 3}, r"DataLoader: transform is 3; give a function transform\(\*batch, rng\)"),
        ({"batch_size": 24, "drop_last": True}, "leaves no batch, since 23 samples are fewer than batch_size 24"),
    ],
)
def test_wrong_arguments(arguments, words):
    with pytest.raises(DataError, match=words):
        DataLoader(DATA, **{"batch_size": 4, **arguments})


def test_empty_data_set():
    with pytest.raises(DataError, match="DataLoader: the data set is empty; give one with at least one sample"):
        DataLoader(ArrayDataset(X[:0]), 4)


def test_wrong_positions_and_epochs():
    loader = DataLoader(DATA, 4)
    with pytest.raises(DataError, match="position 7 is past the epoch's 6 batches; resume with the same data set"):
        loader.iter_from(7)
    with pytest.raises(DataError, match="position is -1; give a whole number of at least 0: a batch number up to 6"):
        loader.iter_from(-1)
    with pytest.raises(DataError, match="epoch is -1; give a whole number of at least 0"):
        loader.set_epoch(-1)
