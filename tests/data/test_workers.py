"""Worker processes and threads of a DataLoader: order, seeds, failures, and that none stays."""

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from typing import Any

import numpy as np
import pytest

from gpunn.data import ArrayDataset, DataLoader, TensorDataset, get_worker_info
from gpunn.errors import DataError
from tests.data.workers import Dying, Failing, Numbers, Slow, Stream, Unsendable, Whose, no_init

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork, and spawning takes seconds")


@pytest.fixture(autouse=True)
def none_stays():
    yield
    assert multiprocessing.active_children() == []
    assert [t for t in threading.enumerate() if t.name == "gpunn-prefetch"] == []


def loader(dataset, num_workers: int = 2, **how: Any) -> DataLoader:
    if num_workers and how.get("workers") != "threads":
        how = {"multiprocessing_context": "fork", **how}
    return DataLoader(dataset, how.pop("batch_size", 4), num_workers=num_workers, **how)


def values(batches) -> list:
    return [[np.asarray(part).tolist() for part in batch] for batch in batches]


def flat(batches) -> list:
    return [i for batch in batches for i in np.asarray(batch).tolist()]


def test_samples_are_the_same_by_however_many_workers():
    """Draws from Python's, NumPy's and gpunn's global generators too."""
    one, two, three = (loader(Numbers(), n, shuffle=True, seed=5) for n in (1, 2, 3))
    first = values(one)
    assert first == values(two) == values(three) and len(first) == 6
    assert sorted(i for batch in first for i in batch[0]) == list(range(23))
    second = values(one)
    assert second == values(two) != first, "another epoch, other draws"
    assert values(loader(Numbers(), shuffle=True, seed=6)) != first
    assert len({u for batch in first for (u,) in batch[3]}) == 23
    assert values(loader(Numbers(), shuffle=True, seed=5).iter_from(4)) == first[4:]
    assert values(loader(Numbers(), 1, shuffle=True, seed=5, persistent_workers=True)) == first


def test_batches_of_tensors_and_arrays():
    x, y = np.arange(24.0).reshape(8, 3), np.arange(8)
    for dataset in (TensorDataset(x, y), ArrayDataset(x, y)):
        got, want = (list(loader(dataset, n, shuffle=True)) for n in (2, 0))
        assert [type(part) for part in got[0]] == [type(part) for part in want[0]] and type(got[0]) is type(want[0])
        assert values(got) == values(want)
    got[0][0][...] = 0  # what comes out of a pipe can be written to
    drawn = [
        values(loader(ArrayDataset(x), n, transform=lambda x, rng: x + rng.standard_normal(x.shape))) for n in (0, 2)
    ]
    assert drawn[0] == drawn[1]


def test_who_am_i():
    assert get_worker_info() is None
    batches = values(loader(Whose(12), 3))
    assert [batch[1] for batch in batches] == [[0] * 4, [1] * 4, [2] * 4]
    assert {n for batch in batches for n in batch[2]} == {3}
    seeds = [batch[3][0] for batch in batches]
    assert seeds[1] - seeds[0] == seeds[2] - seeds[1] == 1
    assert len({pid for batch in batches for pid in batch[4]} - {os.getpid()}) == 3


def test_workers_that_stay():
    kept = loader(Whose(12), persistent_workers=True)
    pids = [{pid for batch in values(kept) for pid in batch[4]} for _ in range(2)]
    assert pids[0] == pids[1] and len(multiprocessing.active_children()) == 2
    for _ in kept:
        break
    assert multiprocessing.active_children() == []
    assert len(values(kept)) == 3 and len(multiprocessing.active_children()) == 2
    del kept
    assert multiprocessing.active_children() == []


def test_streams_are_shared_among_workers():
    assert [flat([b]) for b in loader(Stream(), 0)] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10]]
    want = [[0, 2, 4, 6], [1, 3, 5, 7], [8, 10], [9]]
    kept = loader(Stream(), persistent_workers=True)
    assert [flat([b]) for b in kept] == [flat([b]) for b in kept] == want
    assert [flat([b]) for b in loader(Stream(), drop_last=True)] == want[:2]
    assert [flat([b]) for b in loader(Stream()).iter_from(1)] == want[1:]
    assert flat(loader(Stream(1), 3)) == [0], "some have nothing"
    del kept


def test_an_exception_names_worker_batch_and_sample():
    words = r"DataLoader: worker 0: sample 17 failed at batch 4 of epoch 0 \(KeyError: 'lost'\)"
    seen = []
    with pytest.raises(DataError, match=words) as caught:
        for batch in loader(Failing()):
            seen.append(len(batch))
    assert seen == [4] * 4, "the batches before it arrive"
    assert "__getitem__" in str(caught.value.__cause__) and "raise KeyError" in str(caught.value.__cause__)
    with pytest.raises(DataError, match=r"worker 0: worker_init_fn failed \(RuntimeError: no disk for 0\)"):
        list(loader(Numbers(), worker_init_fn=no_init))
    with pytest.raises(DataError, match=r"worker 0: what it made cannot be sent to the main process \(.*\)"):
        list(loader(Unsendable(), collate_fn=list))


def test_a_worker_that_dies_is_reported():
    began = time.monotonic()
    with pytest.raises(
        DataError, match=r"DataLoader: worker 0 \(process \d+\) ended by signal 9; give fewer num_workers"
    ):
        list(loader(Dying()))
    assert time.monotonic() - began < 5


def test_a_worker_that_takes_too_long():
    began, seen = time.monotonic(), 0
    with pytest.raises(
        DataError, match=r"DataLoader: worker 0 made no batch within 0.3 s; give a longer timeout, or 0"
    ):
        for _ in loader(Slow(), timeout=0.3):
            seen += 1
    assert seen == 2 and time.monotonic() - began < 5


def test_break_ends_workers_at_once():
    began = time.monotonic()
    for _ in loader(Slow()):
        break
    assert multiprocessing.active_children() == [] and time.monotonic() - began < 5


def test_ctrl_c_ends_workers():
    def press():
        time.sleep(0.3)
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

    presser = threading.Thread(target=press)
    presser.start()
    with pytest.raises(KeyboardInterrupt):
        list(loader(Slow()))
    presser.join()
    assert multiprocessing.active_children() == []


@pytest.mark.parametrize("method", ["start", "join"])
def test_ctrl_c_while_workers_start_or_end(monkeypatch, method):
    """Python drops an exception that is raised while it forks."""
    process = multiprocessing.get_context("fork").Process
    real = getattr(process, method)

    def pressed(self, *args):
        signal.raise_signal(signal.SIGINT)
        return real(self, *args)

    monkeypatch.setattr(process, method, pressed)
    with pytest.raises(KeyboardInterrupt):
        list(loader(Numbers()))
    assert multiprocessing.active_children() == []
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_large_indices_and_batches_do_not_block_one_another():
    """Each way more than a pipe holds, while the other end writes too."""
    n = 60_000
    batches = loader(TensorDataset(np.arange(4 * n)), batch_size=n, prefetch_factor=4)
    assert [b.sum().item() for (b,) in batches] == [sum(range(i * n, (i + 1) * n)) for i in range(4)]


def test_threads():
    assert values(loader(TensorDataset(np.arange(50)), 3, workers="threads")) == values(
        loader(TensorDataset(np.arange(50)), 0)
    )
    with pytest.raises(DataError, match=r"DataLoader: sample 17 failed at batch 4 of epoch 0 \(KeyError: 'lost'\)"):
        list(loader(Failing(), 2, workers="threads"))
    for _ in loader(Numbers(), 2, workers="threads"):
        break


@pytest.mark.skipif(
    not os.environ.get("CI"), reason="workers that are spawned import everything anew: 3 s; CI=1 runs it"
)
def test_spawned_workers():
    spawn: dict[str, Any] = {"multiprocessing_context": "spawn"}
    assert values(loader(Numbers(), seed=5, **spawn)) == values(loader(Numbers(), seed=5))
    with pytest.raises(DataError, match=r"worker 0 cannot be started \(.*\); define the data set and its functions at"):
        list(loader(Numbers(), collate_fn=lambda samples: samples, **spawn))


SCRIPT = """
import sys, time
from gpunn.data import DataLoader
from tests.data.workers import Whose
for batch in DataLoader(Whose(1000), 1, num_workers=2, multiprocessing_context="fork"):
    print(batch[4].item(), flush=True)
    time.sleep(0.05)
"""


def test_workers_end_when_the_main_process_is_killed():
    main = subprocess.Popen([sys.executable, "-c", SCRIPT], stdout=subprocess.PIPE, text=True)
    assert main.stdout is not None
    pids = {int(main.stdout.readline()) for _ in range(2)}
    main.kill()
    main.communicate()
    assert len(pids) == 2
    until = time.monotonic() + 5
    while any(_runs(pid) for pid in pids) and time.monotonic() < until:
        time.sleep(0.02)
    assert not any(_runs(pid) for pid in pids)


def _runs(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False
