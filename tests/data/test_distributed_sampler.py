"""DistributedSampler: every sample once an epoch, in an order of (seed, epoch), from any sample on."""

import inspect

import numpy as np
import pytest

from gpunn.data import ArrayDataset, BatchSampler, DataLoader, DistributedSampler
from gpunn.errors import DataError
from tests.dist.together import together
from tests.parity import torch


def shares(n, size, epoch=0, start=0, **how):
    """The indices that each process takes."""
    found = []
    for rank in range(size):
        sampler = DistributedSampler(range(n), size, rank, **how)
        sampler.set_epoch(epoch, start)
        found.append(list(sampler))
        assert len(sampler) == sampler.num_samples == len(found[-1])
    return found


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("n, size", [(1, 1), (12, 4), (13, 4), (15, 4), (3, 5), (1, 2)])
def test_every_sample_comes_once(n, size, shuffle):
    found = shares(n, size, shuffle=shuffle)
    assert sorted(i for share in found for i in share) == list(range(n))
    assert {len(share) for share in found} <= {n // size, -(-n // size)}
    if n >= size:
        even = shares(n, size, shuffle=shuffle, drop_last=True)
        assert even == [share[: n // size] for share in found]


def test_the_order_is_that_of_the_seed_and_the_epoch():
    def one(**how):
        return shares(50, 1, **how)[0]

    assert one() == one() != one(epoch=1) and one(seed=1) != one() != one(seed=1, epoch=1)
    assert one(epoch=1, shuffle=False) == list(range(50))
    loader = DataLoader(ArrayDataset(np.arange(50)), 50, shuffle=True, seed=3)
    loader.set_epoch(2)
    assert one(seed=3, epoch=2) == next(iter(loader))[0].tolist(), "that of a loader, in one process"
    assert shares(50, 3, seed=3, epoch=2) == [one(seed=3, epoch=2)[rank::3] for rank in range(3)]


def test_goes_on_in_mid_epoch_on_another_number_of_processes():
    """After two batches of 5 on three processes, 30 samples, the rest goes to two."""
    had = {i for share in shares(50, 3, epoch=4) for i in share[:10]}
    rest = shares(50, 2, epoch=4, start=30)
    assert sorted(had | {i for share in rest for i in share}) == list(range(50)) and sum(map(len, rest)) == 20
    assert shares(50, 2, epoch=4, start=50) == shares(50, 2, epoch=4, start=60) == [[], []]
    sampler = DistributedSampler(range(50), 3, 1)
    sampler.set_epoch(4, start=30)
    sampler.set_epoch(5)
    assert list(sampler) == shares(50, 3, epoch=5)[1], "the next epoch is whole"


def test_loaders_pass_the_epoch_on_and_resume():
    def loaders(rank):
        sampler = DistributedSampler(range(23), 2, rank)
        yield DataLoader(ArrayDataset(np.arange(23)), 4, sampler=sampler)
        yield DataLoader(ArrayDataset(np.arange(23)), batch_sampler=BatchSampler(sampler, 4, False))

    for rank in (0, 1):
        for loader in loaders(rank):
            loader.set_epoch(3)
            batches = [x.tolist() for (x,) in loader]
            assert [i for batch in batches for i in batch] == shares(23, 2, epoch=3)[rank]
            loader.set_epoch(3)
            assert [x.tolist() for (x,) in loader.iter_from(1)] == batches[1:]
            with pytest.raises(DataError, match="DistributedSampler gives each process other samples already"):
                loader.iter_part(0, 0, 2)
            assert len(list(loader.iter_part(0, 0, 1))) == len(batches)


def test_ranks_are_those_of_the_group():
    def mine(group):
        sampler = DistributedSampler(range(10), shuffle=False)
        return group.rank, sampler.num_replicas, list(sampler)

    assert together(3, mine) == [(rank, 3, list(range(rank, 10, 3))) for rank in range(3)]
    alone = DistributedSampler(range(10))
    assert (alone.num_replicas, alone.rank) == (1, 0)


def test_as_pytorchs():
    """Arguments, and the indices where no sample has to be repeated, which PyTorch's does."""
    theirs = torch().utils.data.distributed.DistributedSampler
    ours, own = (list(inspect.signature(cls).parameters.values()) for cls in (DistributedSampler, theirs))
    assert [(p.name, p.default) for p in ours] == [(p.name, p.default) for p in own]
    for n, how in ((12, {}), (14, {"drop_last": True})):
        for rank in range(4):
            sampler = DistributedSampler(range(n), 4, rank, shuffle=False, **how)
            other = theirs(range(n), 4, rank, shuffle=False, **how)
            assert list(sampler) == list(other) and len(sampler) == len(other)
            assert sampler.total_size == other.total_size and sampler.num_samples == other.num_samples


@pytest.mark.parametrize(
    "how, words",
    [
        ({"num_replicas": 2, "rank": 2}, "rank is 2 of 2 replicas; give a number from 0 to 1"),
        ({"num_replicas": 2, "rank": -1}, "rank is -1; give a whole number of at least 0"),
        ({"num_replicas": 0, "rank": 0}, "num_replicas is 0; give a whole number of at least 1"),
        ({"num_replicas": 2.0, "rank": 0}, "num_replicas is 2.0; give a whole number of at least 1"),
        ({"num_replicas": 2, "rank": 0, "seed": -1}, "seed is -1; give a whole number of at least 0"),
        ({"num_replicas": 4, "rank": 0, "drop_last": True}, "3 samples leave none to 4 replicas with drop_last=True; "
         "give more samples, or fewer replicas"),
    ],
)  # fmt: skip
def test_refusals(how, words):
    with pytest.raises(DataError, match=f"DistributedSampler: {words}"):
        DistributedSampler(range(3), **how)
    sampler = DistributedSampler(range(3), 1, 0)
    with pytest.raises(DataError, match="DistributedSampler: epoch is -1; give a whole number of at least 0"):
        sampler.set_epoch(-1)
    with pytest.raises(DataError, match="DistributedSampler: start is -2; give a whole number of at least 0"):
        sampler.set_epoch(1, -2)
