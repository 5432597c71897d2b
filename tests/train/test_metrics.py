"""accuracy and top-k against plain loops, ties and NaN included."""

import numpy as np
import pytest

from gpunn.engine.tensor import Tensor
from gpunn.train import accuracy, top_k, top_k_accuracy


def by_hand(scores, labels, k):
    hits = 0
    for row, label in zip(scores.tolist(), labels.tolist(), strict=True):
        order = sorted(range(len(row)), key=lambda c: (-row[c], c))
        hits += label in order[:k]
    return hits / len(labels)


@pytest.mark.parametrize("k", [1, 2, 5])
def test_top_k_equals_sorting(k):
    rng = np.random.default_rng(k)
    scores, labels = rng.integers(0, 4, (50, 5)).astype(np.float32), rng.integers(0, 5, 50)  # many ties
    assert top_k_accuracy(Tensor(scores), labels, k) == by_hand(scores, labels, k)
    assert top_k(k)(scores, labels.astype(np.uint8)) == by_hand(scores, labels, k)
    if k == 1:
        assert accuracy(scores, labels) == by_hand(scores, labels, 1)


def test_constant_scores_are_no_hits_for_all():
    assert top_k_accuracy(np.zeros((4, 4)), np.arange(4), 2) == 0.5
    assert top_k_accuracy(np.full((4, 4), np.nan), np.arange(4), 2) == 0.0


def test_probabilities_maps_and_nothing():
    scores = np.eye(3)[[0, 1, 2, 2]]
    assert accuracy(scores, np.eye(3)[[0, 1, 2, 0]]) == 0.75
    maps = scores.reshape(2, 2, 3).transpose(0, 2, 1)
    assert accuracy(maps, np.array([[0, 1], [2, 0]])) == top_k_accuracy(maps, np.array([[0, 1], [2, 0]]), 1) == 0.75
    assert accuracy(np.zeros((0, 3)), np.zeros(0, int)) == 0.0


def test_errors():
    with pytest.raises(ValueError, match=r"accuracy: output has shape \(4, 1\), expected scores \(N, C\) of at"):
        accuracy(np.zeros((4, 1)), np.zeros(4, int))
    with pytest.raises(ValueError, match=r"accuracy: target is float64 \(4,\), expected class indices \(4,\)"):
        accuracy(np.zeros((4, 3)), np.zeros(4))
    with pytest.raises(ValueError, match="top_k_accuracy: k is 4, expected 1 to 3, the number of classes"):
        top_k_accuracy(np.zeros((4, 3)), np.zeros(4, int), 4)
