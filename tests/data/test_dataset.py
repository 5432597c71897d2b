"""ArrayDataset, Subset and split."""

import numpy as np
import pytest

from gpunn.data import ArrayDataset, Subset, split
from gpunn.errors import DataError

X = np.arange(20.0).reshape(10, 2)
Y = np.arange(10)


def test_indexing():
    data = ArrayDataset(X, Y)
    assert len(data) == 10
    x, y = data[3]
    assert x.tolist() == [6, 7] and y == 3
    x, y = data[np.array([7, 1])]
    assert x.tolist() == [[14, 15], [2, 3]] and y.tolist() == [7, 1]
    assert data[2:4][1].tolist() == [2, 3]
    assert repr(data) == "ArrayDataset(float64(10, 2), int64(10,))"


def test_lists_become_arrays():
    (x,) = ArrayDataset([[1, 2], [3, 4]])[0]
    assert isinstance(x, np.ndarray) and x.tolist() == [1, 2]


def test_wrong_arrays():
    with pytest.raises(DataError, match=r"ArrayDataset: got no arrays; give at least one, for example"):
        ArrayDataset()
    with pytest.raises(DataError, match=r"different length, shapes \(10, 2\), \(9,\); give one row a sample in each"):
        ArrayDataset(X, Y[:9])
    with pytest.raises(DataError, match=r"shapes \(10, 2\), \(\): a scalar has no samples"):
        ArrayDataset(X, 5)


def test_subset():
    part = Subset(ArrayDataset(X, Y), [4, 2, 9])
    assert len(part) == 3 and part[np.array([2, 0])][1].tolist() == [9, 4] and part[1][1] == 2
    assert repr(part) == "Subset(3 of ArrayDataset(float64(10, 2), int64(10,)))"
    assert len(Subset(ArrayDataset(X), [])) == 0
    for indices in ([0, 10], [-1, 3]):
        with pytest.raises(DataError, match=r"Subset: indices -?\d to \d+ reach outside a data set of 10 samples"):
            Subset(ArrayDataset(X), indices)


@pytest.mark.parametrize("indices", [np.arange(10) < 5, [1.7, 2.2], np.zeros((2, 2), int), 3])
def test_subset_takes_a_list_of_whole_numbers(indices):
    """A mask, taken as numbers, would be the samples 0 and 1 over and over."""
    found = np.asarray(indices)
    words = rf"Subset: indices are {found.dtype} of shape .*, expected whole numbers .* give np.flatnonzero\(mask\)"
    with pytest.raises(DataError, match=words):
        Subset(ArrayDataset(X), indices)


def test_split_is_seeded_and_complete():
    data = ArrayDataset(np.arange(100))
    rest, part = split(data, 0.2, seed=5)
    assert len(rest) == 80 and len(part) == 20
    assert sorted([*rest.indices, *part.indices]) == list(range(100))
    assert split(data, 0.2, seed=5)[1].indices.tolist() == part.indices.tolist()
    assert split(data, 0.2, seed=6)[1].indices.tolist() != part.indices.tolist()
    assert np.all(np.diff(rest.indices) > 0) and np.all(np.diff(part.indices) > 0)
    inner = split(part, 0.5)[0]
    assert set(inner[:][0]) < set(part[:][0]), "a part can be split again"


@pytest.mark.parametrize(
    ("fraction", "seed", "words"),
    [
        (0, 0, "split: fraction is 0; give the share to cut off, above 0 and below 1"),
        (1.0, 0, "split: fraction is 1.0;"),
        (float("nan"), 0, "split: fraction is nan;"),
        (0.01, 0, "split: 0.01 of 10 samples leaves a part empty; choose another fraction"),
        (0.99, 0, "split: 0.99 of 10 samples leaves a part empty"),
        (0.5, -1, "split: seed is -1; give a whole number of at least 0"),
    ],
)
def test_wrong_splits(fraction, seed, words):
    with pytest.raises(DataError, match=words):
        split(ArrayDataset(X), fraction, seed)
