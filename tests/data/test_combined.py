"""TensorDataset, random_split, and data sets made of others."""

import numpy as np
import pytest

import gpunn
from gpunn import Tensor
from gpunn.data import (
    ArrayDataset,
    ChainDataset,
    ConcatDataset,
    Dataset,
    IterableDataset,
    StackDataset,
    Subset,
    TensorDataset,
    random_split,
)
from gpunn.errors import DataError

X = np.arange(8, dtype=np.float32).reshape(4, 2)


class Counting(IterableDataset):
    def __init__(self, n):
        self.n = n

    def __iter__(self):
        return iter(range(self.n))

    def __len__(self):
        return self.n


def test_tensors_side_by_side():
    pairs = TensorDataset(Tensor(X), np.arange(4))
    x, y = pairs[2]
    assert isinstance(x, Tensor) and x.tolist() == [4, 5] and y.item() == 2
    assert [part.shape for part in pairs[[0, 3]]] == [(2, 2), (2,)] and len(pairs) == 4
    assert pairs.tensors[0].shape == (4, 2)
    with pytest.raises(DataError, match="TensorDataset: got no tensors; give at least one"):
        TensorDataset()
    with pytest.raises(DataError, match=r"tensors of shapes \(4, 2\), \(3,\); give one row a sample in each, equally"):
        TensorDataset(X, np.arange(3))
    with pytest.raises(DataError, match=r"tensors of shapes \(\);"):
        TensorDataset(Tensor(1.0))


def test_subset_of_samples():
    for indices in ([3, 1], range(3, 0, -2), np.asarray([3, 1]), Tensor(np.asarray([3, 1]))):
        part = Subset("abcd", indices)
        assert [part[0], part[-1]] == ["d", "b"] and not part.batched
    part = Subset(TensorDataset(X), [3, 1])
    assert part[0][0].tolist() == [6, 7] and part[[1, 0]][0].tolist() == [[2, 3], [6, 7]]
    assert Subset(ArrayDataset(X), [0]).batched and Subset(Subset(ArrayDataset(X), [0]), [0]).batched


def test_random_split():
    def of(lengths, seed=3):
        return [part.indices.tolist() for part in random_split(range(10), lengths, gpunn.random.Generator(seed))]

    parts = of([3, 7])
    assert [len(p) for p in parts] == [3, 7] and sorted(parts[0] + parts[1]) == list(range(10))
    assert of([3, 7]) == parts != of([3, 7], seed=4)
    assert [len(p) for p in of([0.33, 0.33, 0.34])] == [4, 3, 3]
    gpunn.manual_seed(1)
    first = random_split(range(10), [5, 5])[0].indices.tolist()
    gpunn.manual_seed(1)
    assert random_split(range(10), [5, 5])[0].indices.tolist() == first
    with pytest.warns(UserWarning, match="part 1 has no sample; give it a larger share than 0.0"):
        random_split(range(10), [1.0, 0.0])


@pytest.mark.parametrize(
    ("lengths", "words"),
    [
        ([3, 3], r"random_split: lengths \[3, 3\] of 10 samples; give lengths that sum to 10, or shares to 1"),
        ([-1, 11], "give lengths that sum to 10"),
        ([0.5, 9.5], "give lengths that sum to 10"),
        ([1.5, -0.5], "random_split: the share 1.5 is not between 0 and 1"),
    ],
)
def test_random_split_refuses(lengths, words):
    with pytest.raises(DataError, match=words):
        random_split(range(10), lengths)


def test_one_after_the_other():
    both = ConcatDataset(["ab", "", "cde"])
    assert [both[i] for i in range(5)] == list("abcde") and both[-5] == "a" and both.cumulative_sizes == [2, 2, 5]
    for out in (5, -6):
        with pytest.raises(IndexError):
            both[out]
    added = TensorDataset(X) + TensorDataset(X + 10)
    assert isinstance(added, ConcatDataset) and added[5][0].tolist() == [12, 13]
    chained = Counting(2) + Counting(3)
    assert list(chained) == [0, 1, 0, 1, 2] and len(chained) == 5


def test_side_by_side():
    assert StackDataset("ab", [1, 2])[1] == ("b", 2) and len(StackDataset("ab")) == 2
    assert StackDataset(x="ab", y=[1, 2])[0] == {"x": "a", "y": 1}


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: ConcatDataset([]), DataError, "ConcatDataset: got no data sets; give at least one"),
        (lambda: ConcatDataset([Counting(1)]), DataError, "an IterableDataset has no indices; chain it with ChainData"),
        (lambda: ChainDataset([[1]]), DataError, "ChainDataset: got list, expected IterableDatasets; use ConcatDatas"),
        (lambda: StackDataset(), DataError, "StackDataset: got none, expected data sets either in order or by name"),
        (lambda: StackDataset("a", x="b"), DataError, "StackDataset: got both"),
        (
            lambda: StackDataset("a", "bc"),
            DataError,
            r"StackDataset: data sets of \[1, 2\] samples; give data sets of o",
        ),
        (
            lambda: Dataset()[0],
            NotImplementedError,
            "Dataset has no __getitem__; write one that makes the sample at an",
        ),
        (lambda: iter(IterableDataset()), NotImplementedError, "IterableDataset has no __iter__; write one that makes"),
    ],
)
def test_refused(make, error, words):
    with pytest.raises(error, match=words):
        make()
