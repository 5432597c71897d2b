"""DistributedSampler beside PyTorch's: the same shares where they come out even, none repeated where they do not."""

import re
from itertools import chain

import numpy as np
import pytest

from gpunn import data
from gpunn.errors import DataError
from tests.dist.together import together

SIZES = [(n, ranks) for ranks in (1, 2, 3, 5) for n in (5, 6, 7, 30, 31)]


def shares(sampler, n, ranks, **options):
    return [list(sampler(range(n), ranks, rank, **options)) for rank in range(ranks)]


@pytest.mark.parametrize(("n", "ranks"), SIZES)
def test_in_order_it_is_pytorchs_less_what_that_repeats(n, ranks):
    torch = pytest.importorskip("torch.utils.data.distributed", reason="PyTorch is the standard here")
    theirs = shares(torch.DistributedSampler, n, ranks, shuffle=False)
    ours = shares(data.DistributedSampler, n, ranks, shuffle=False)
    for rank, (one, other) in enumerate(zip(ours, theirs, strict=True)):
        whole = n // ranks + (rank < n % ranks)
        assert one == other[:whole] and len(other) - whole <= 1
    left = shares(torch.DistributedSampler, n, ranks, shuffle=False, drop_last=True)
    assert shares(data.DistributedSampler, n, ranks, shuffle=False, drop_last=True) == left


@pytest.mark.parametrize(("n", "ranks"), SIZES)
def test_an_epoch_has_every_sample_once_and_the_next_another_order(n, ranks):
    samplers = [data.DistributedSampler(range(n), ranks, rank, seed=4) for rank in range(ranks)]
    epochs = []
    for epoch in (0, 1, 2, 1):
        for sampler in samplers:
            sampler.set_epoch(epoch)
        epochs.append([list(sampler) for sampler in samplers])
        assert sorted(chain(*epochs[-1])) == list(range(n))
        assert [len(sampler) for sampler in samplers] == [len(share) for share in epochs[-1]]
        assert max(map(len, epochs[-1])) - min(map(len, epochs[-1])) <= 1
    assert epochs[1] == epochs[3]
    if n > 20:
        assert epochs[0] != epochs[1] != epochs[2] and epochs[0] != shares(data.DistributedSampler, n, ranks, seed=5)


@pytest.mark.parametrize(("n", "ranks"), SIZES)
def test_with_drop_last_all_have_equally_many_and_none_twice(n, ranks):
    found = shares(data.DistributedSampler, n, ranks, drop_last=True)
    assert {len(share) for share in found} == {n // ranks}
    flat = list(chain(*found))
    assert len(set(flat)) == len(flat) and set(flat) <= set(range(n))


def test_ranks_that_were_joined_are_the_defaults():
    def share(group):
        sampler = data.DistributedSampler(range(10), shuffle=False)
        assert (sampler.num_replicas, sampler.rank) == (3, group.rank)
        return list(sampler)

    assert together(3, share) == [[0, 3, 6, 9], [1, 4, 7], [2, 5, 8]]
    assert list(data.DistributedSampler(range(4), shuffle=False)) == [0, 1, 2, 3]


def test_of_one_process_it_is_the_loaders_own_order():
    x = data.ArrayDataset(np.arange(31))
    own = data.DataLoader(x, 4, shuffle=True, seed=9)
    sampled = data.DataLoader(x, 4, sampler=data.DistributedSampler(x, 1, 0, seed=9))
    for _ in range(2):
        assert [b.tolist() for (b,) in own] == [b.tolist() for (b,) in sampled]
        sampled.set_epoch(1)


def test_a_loader_over_it_resumes_in_the_middle_of_an_epoch():
    x = data.ArrayDataset(np.arange(31))
    loader = data.DataLoader(x, 4, sampler=data.DistributedSampler(x, 2, 1, seed=9))
    loader.set_epoch(3)
    whole = [b.tolist() for (b,) in loader]
    assert len(loader) == len(whole) == 4 and len(whole[-1]) == 3
    again = data.DataLoader(x, 4, sampler=data.DistributedSampler(x, 2, 1, seed=9))
    again.set_epoch(3)
    assert [b.tolist() for (b,) in again.iter_from(2)] == whole[2:]


@pytest.mark.parametrize("workers", [0, 2])
def test_workers_change_nothing(workers):
    x = data.TensorDataset(np.arange(11.0), np.arange(11))
    loaders = [
        data.DataLoader(x, 2, sampler=data.DistributedSampler(x, 3, rank), num_workers=workers, workers="threads")
        for rank in range(3)
    ]
    seen = [label for loader in loaders for _, y in loader for label in y.tolist()]
    assert sorted(seen) == list(range(11))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"num_replicas": 2, "rank": 2}, "rank is 2 of 2 replicas; give a number from 0 to 1"),
        ({"num_replicas": 2, "rank": -1}, "rank is -1; give a whole number of at least 0"),
        ({"num_replicas": 0, "rank": 0}, "num_replicas is 0; give a whole number of at least 1"),
        ({"num_replicas": 2.0, "rank": 0}, "num_replicas is 2.0; give a whole number of at least 1"),
        (
            {"num_replicas": 11, "rank": 3, "drop_last": True},
            "10 samples leave none to 11 replicas with drop_last",
        ),
    ],
    ids=str,
)
def test_what_is_no_share_is_refused(options, words):
    with pytest.raises(DataError, match=f"^DistributedSampler: {re.escape(words)}") as error:
        data.DistributedSampler(range(10), **options)
    assert "\n" not in str(error.value)
