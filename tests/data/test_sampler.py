"""Samplers: what they give, by which generator, and what they refuse."""

import numpy as np
import pytest

import gpunn
from gpunn.data import (
    BatchSampler,
    RandomSampler,
    Sampler,
    SequentialSampler,
    SubsetRandomSampler,
    WeightedRandomSampler,
)
from gpunn.errors import DataError

MAKERS = {
    "random": lambda g: RandomSampler(range(20), generator=g),
    "with replacement": lambda g: RandomSampler(range(20), replacement=True, generator=g),
    "subset": lambda g: SubsetRandomSampler(range(5, 25), generator=g),
    "weighted": lambda g: WeightedRandomSampler(np.arange(20), 10, generator=g),
    "weighted, each once": lambda g: WeightedRandomSampler(np.arange(20), 10, replacement=False, generator=g),
}


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_drawn_by_the_generator_or_the_global_stream(make):
    assert list(make(gpunn.random.Generator(3))) == list(make(gpunn.random.Generator(3)))
    assert list(make(np.random.default_rng(3))) == list(make(np.random.default_rng(3)))
    kept = make(gpunn.random.Generator(3))
    assert list(kept) != list(kept), "each pass draws anew"
    gpunn.manual_seed(5)
    first = list(make(None))
    assert first != list(make(None))
    gpunn.manual_seed(5)
    assert list(make(None)) == first and len(first) == len(make(None))
    assert all(type(i) is int for i in first)
    with pytest.raises(DataError, match=r"generator is 7; give a gpunn.Generator, a numpy.random.Generator or None"):
        list(make(7))


def test_counts():
    assert sorted(RandomSampler(range(4))) == [0, 1, 2, 3]
    twice = list(RandomSampler(range(4), num_samples=10))
    assert sorted(twice[:4]) == sorted(twice[4:8]) == [0, 1, 2, 3] and len(set(twice[8:])) == 2
    drawn = list(RandomSampler(range(4), replacement=True, num_samples=400))
    assert all(60 < drawn.count(i) < 140 for i in range(4))
    assert sorted(SubsetRandomSampler([7, 3, 9])) == [3, 7, 9]
    assert list(SequentialSampler("abc")) == [0, 1, 2] and len(SequentialSampler("abc")) == 3


def test_weights():
    drawn = list(WeightedRandomSampler([1.0, 0.0, 3.0], 4000))
    assert drawn.count(1) == 0 and 900 < drawn.count(0) < 1100
    assert sorted(WeightedRandomSampler([1.0, 0.0, 3.0], 2, replacement=False)) == [0, 2]


def test_batches():
    assert list(BatchSampler(SequentialSampler(range(5)), 2, True)) == [[0, 1], [2, 3]]
    assert [len(BatchSampler(range(n), 2, drop)) for n in (4, 5) for drop in (True, False)] == [2, 2, 2, 3]


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: RandomSampler([]), DataError, "RandomSampler: num_samples is 0; give a whole number of at least 1"),
        (lambda: RandomSampler([1], num_samples=-1), DataError, "num_samples is -1; give"),
        (lambda: RandomSampler([1], replacement=1), TypeError, "RandomSampler: replacement is 1; give True or False"),
        (lambda: WeightedRandomSampler([1], True), DataError, "WeightedRandomSampler: num_samples is True; give"),
        (lambda: WeightedRandomSampler([1], 1, None), DataError, "replacement is None; give True or False"),
        (lambda: WeightedRandomSampler([[1]], 1), DataError, r"weights have shape \(1, 1\); give one a sample, \(n,\)"),
        (lambda: WeightedRandomSampler([0, 0], 1), DataError, "weights must be finite, at least 0, and one of them ab"),
        (lambda: WeightedRandomSampler([1, np.nan], 1), DataError, "weights must be finite"),
        (
            lambda: WeightedRandomSampler([1, 0], 2, False),
            DataError,
            "2 samples without replacement of 1 with a weight",
        ),
        (
            lambda: BatchSampler([1], 0, False),
            DataError,
            "BatchSampler: batch_size is 0; give a whole number of at lea",
        ),
        (lambda: BatchSampler([1], 1, 1), DataError, "BatchSampler: drop_last is 1; give True or False"),
        (lambda: iter(Sampler()), NotImplementedError, "Sampler has no __iter__; write one that gives indices"),
    ],
)
def test_refused(make, error, words):
    with pytest.raises(error, match=words):
        make()
