"""Parts of a loader's batches for processes that share them: DataLoader.iter_part."""

import os
from collections import namedtuple

import numpy as np
import pytest

import gpunn
from gpunn import backend
from gpunn.data import (
    ArrayDataset,
    BatchSampler,
    DataLoader,
    IterableDataset,
    RandomSampler,
    SubsetRandomSampler,
    TensorDataset,
)
from gpunn.errors import DataError
from tests.data.workers import Numbers

X = np.arange(46.0, dtype=np.float32).reshape(23, 2)
Y = np.arange(23)
DATA = ArrayDataset(X, Y)


class Stream(IterableDataset):
    def __iter__(self):
        return ((np.full(2, i, np.float32), i) for i in range(23))


def noisy(x, y, rng):
    return x + rng.standard_normal(x.shape, dtype=np.float32), y


def bits(batch):
    """A batch's arrays, whatever holds them, as bytes with shape and dtype."""
    arrays = [backend.to_numpy(getattr(part, "array", part)) for part in batch]
    return [(a.tobytes(), a.shape, a.dtype) for a in arrays]


def parts(loader, size, position=0, epoch=0):
    """What each rank gets, step by step."""
    found = []
    for rank in range(size):
        loader.set_epoch(epoch)
        found.append([bits(batch) for batch in loader.iter_part(position, rank, size)])
    return list(zip(*found, strict=True))


def in_order(found):
    """All parts that have samples, step after step, rank after rank."""
    return [part for step in found for part in step if part[0][1][0]]


def source(kind):
    return {"arrays": DATA, "tensors": TensorDataset(X, Y), "samples": list(zip(X, Y, strict=True)), "stream": Stream(),
            "numbers": Numbers()}[kind]  # fmt: skip


def asked(kind, **how):
    """Arguments under which a loader of this kind draws: of samples that have no own order its transform alone."""
    return {"seed": 5, **({} if kind == "stream" else {"shuffle": True}), "transform": noisy, **how}


@pytest.mark.parametrize("kind", ["arrays", "tensors", "samples", "stream"])
@pytest.mark.parametrize("size", [1, 2, 4])
def test_parts_are_the_batches_of_a_loader_with_smaller_ones(kind, size):
    """Bit for bit with what their transform draws, in mid-epoch too; what the last step has no samples for is empty."""
    whole = DataLoader(source(kind), 8, **asked(kind))
    small = DataLoader(source(kind), 8 // size, **asked(kind))
    for loader in (whole, small):
        loader.set_epoch(3)
    want = [bits(batch) for batch in small]
    got = parts(whole, size, epoch=3)
    assert len(got) == 3 and in_order(got) == want
    assert parts(whole, size, position=2, epoch=3) == got[2:]
    first = want[0]
    assert all(
        (shape[1:], dtype) == (like[1][1:], like[2])
        for step in got
        for part in step
        for (_, shape, dtype), like in zip(part, first, strict=True)
    )
    assert [part[0][1][0] for part in got[2]] == {1: [7], 2: [4, 3], 4: [2, 2, 2, 1]}[size]


@pytest.mark.parametrize("kind", ["arrays", "tensors", "samples", "stream"])
@pytest.mark.parametrize("size, most", [(3, 3), (5, 2), (11, 1)])
def test_every_sample_comes_once_and_all_take_equally_many_steps(kind, size, most):
    """Also where size does not divide the batch, or is above it: the last ranks' parts are empty, and typed."""
    got = parts(DataLoader(source(kind), 8, **asked(kind, transform=None)), size)
    whole = DataLoader(source(kind), 8, **asked(kind, transform=None))
    assert len(got) == 3
    for step, batch in zip(got, whole, strict=True):
        x, y = (backend.to_numpy(getattr(part, "array", part)) for part in batch)
        cuts = [slice(rank * most, (rank + 1) * most) for rank in range(size)]
        assert list(step) == [bits((x[cut], y[cut])) for cut in cuts]
    assert any(part[0][1] == (0, 2) for part in got[-1]) == (size > 3)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork, and spawning takes seconds")
def test_workers_and_threads_make_the_same_parts():
    """Samples draw from global generators, which workers start from the part's number."""
    how = {"shuffle": True, "seed": 5, "num_workers": 2, "multiprocessing_context": "fork"}
    small = [bits(batch) for batch in DataLoader(Numbers(), 4, **how)]
    assert in_order(parts(DataLoader(Numbers(), 8, **how), 2)) == small
    one, threads = (
        DataLoader(DATA, 8, **asked("arrays", **kind)) for kind in ({}, {"num_workers": 2, "workers": "threads"})
    )
    assert parts(one, 11) == parts(threads, 11)
    alone = DataLoader(Stream(), 8, num_workers=1, multiprocessing_context="fork")
    assert parts(alone, 11) == parts(DataLoader(Stream(), 8), 11)


def test_orders_of_samplers_and_generators():
    """Where each process has them in one state."""

    def with_sampler(size):
        gpunn.manual_seed(7)
        return DataLoader(DATA, size, sampler=SubsetRandomSampler(list(range(3, 20))))

    def with_generator(size):
        return DataLoader(DATA, size, shuffle=True, generator=np.random.default_rng(3))

    def with_batches(size):
        gpunn.manual_seed(7)
        return DataLoader(DATA, batch_sampler=BatchSampler(RandomSampler(DATA), size, False))

    def without_length(size):
        return DataLoader(DATA, size, sampler=iter([*range(15)]))

    for make in (with_sampler, with_generator, with_batches, without_length):
        small = [bits(batch) for batch in make(4)]
        got = [[bits(batch) for batch in make(8).iter_part(0, rank, 2)] for rank in (0, 1)]
        assert in_order(zip(*got, strict=True)) == small
    uneven = DataLoader(DATA, batch_sampler=iter([(i for i in range(5)), range(2)]))
    assert [y.tolist() for _, y in uneven.iter_part(0, 1, 2)] == [[3, 4], [1]], "half of each"


Point = namedtuple("Point", "x y")


def test_an_empty_part_keeps_the_structure_of_the_batch():
    names = [{"name": str(i), "place": Point(np.float32(i), (i, [X[i]]))} for i in range(4)]
    (empty,) = DataLoader(names, 4).iter_part(0, 4, 5)
    assert empty["name"] in ([], ()) and type(empty["place"]) is Point
    x, (y, (z,)) = empty["place"]
    assert [(t.shape, t.dtype.name) for t in (x, y, z)] == [((0,), "float32"), ((0,), "int64"), ((0, 2), "float32")]

    def lists(samples):  # of one entry a sample, as detection has them
        return tuple(zip(*samples, strict=True))

    assert next(DataLoader(list(zip(X, Y, strict=True)), 4, collate_fn=lists).iter_part(0, 4, 5)) == ((), ())
    moved = next(DataLoader(DATA, 4, device="emulator").iter_part(0, 4, 5))
    assert [a.shape for a in moved] == [(0, 2), (0,)] and backend.device_of(moved[0]).type == "emulator"


def test_a_pass_of_parts_ends_the_epoch():
    loader = DataLoader(DATA, 8, shuffle=True)
    list(loader.iter_part(0, 1, 2))
    assert loader.epoch == 1
    next(loader.iter_part(0, 1, 2))
    assert loader.epoch == 1


def test_refusals():
    loader = DataLoader(DATA, 8)
    with pytest.raises(DataError, match="rank is 2 of 2 processes; give a number from 0 to 1"):
        loader.iter_part(0, 2, 2)
    with pytest.raises(DataError, match="size is 0; give a whole number of at least 1: processes that share"):
        loader.iter_part(0, 0, 0)
    with pytest.raises(DataError, match="rank is -1; give a whole number of at least 0"):
        loader.iter_part(0, -1, 2)
    with pytest.raises(DataError, match="position 4 is past the epoch's 3 batches"):
        loader.iter_part(4, 0, 2)
    with pytest.raises(DataError, match=r"single samples \(batch_size=None\) have no parts; give a batch_size"):
        DataLoader(DATA, None).iter_part(0, 0, 2)
    counted = DataLoader(list(X), 4, collate_fn=lambda samples: (np.stack(samples), len(samples)))
    assert next(counted.iter_part(0, 1, 2))[1] == 2
    with pytest.raises(DataError, match="the batch holds int, which has no axis of samples; let collate_fn"):
        next(counted.iter_part(0, 4, 5))

    def failing(x, y, rng):
        raise RuntimeError("spoilt")

    with pytest.raises(DataError, match=r"transform failed at part 1 of batch 2 of epoch 0 \(RuntimeError: spoilt\)"):
        list(DataLoader(DATA, 8, transform=failing).iter_part(2, 1, 2))
