"""Ensembles and mirrored images: averages and votes against NumPy."""

import numpy as np
import pytest

from gpunn import nn, ops
from gpunn.errors import UsageError
from gpunn.train import Ensemble, MirrorAveraged, accuracy, predict


class Fixed(nn.Module):
    """Scores by the index that an image holds."""

    def __init__(self, table):
        super().__init__()
        self.table = np.asarray(table, np.float32)

    def forward(self, x):
        return self.table[x[:, 0, 0, 0].astype(int)]


def scores(*shares):
    return np.log(np.asarray(shares, np.float32))


INDEX = np.arange(2, dtype=np.float32).reshape(2, 1, 1, 1)
MEMBERS = [scores([0.9, 0.1, 1e-9], [0.4, 0.6, 1e-9]), scores([0.4, 0.6, 1e-9], [0.2, 0.5, 0.3])]
MEMBERS.append(scores([0.4, 0.6, 1e-9], [1e-9, 0.1, 0.9]))


def test_averages_and_votes():
    ensemble = Ensemble([Fixed(table) for table in MEMBERS])
    output = predict(ensemble, INDEX)
    np.testing.assert_allclose(np.exp(output), np.mean(np.exp(MEMBERS), axis=0), rtol=1e-6)
    np.testing.assert_allclose(ops.softmax(output, 1).sum(1), 1, rtol=1e-6)
    assert output.argmax(1).tolist() == [0, 1]  # the sure member outweighs two doubtful ones
    votes = ensemble.votes(INDEX)
    assert np.floor(votes).tolist() == [[1, 2, 0], [0, 2, 1]] and votes.argmax(1).tolist() == [1, 1]
    assert accuracy(votes, np.array([1, 1])) == 1


def test_ties_go_to_the_larger_average():
    ensemble = Ensemble([Fixed(scores([0.6, 0.4])), Fixed(scores([0.1, 0.9]))])
    assert ensemble.votes(INDEX[:1]).argmax(1).tolist() == [1]


def test_certainty_costs_no_infinity():
    output = Ensemble([Fixed([[0.0, -200.0]])])(INDEX[:1])
    assert np.isfinite(output).all() and np.isfinite(float(ops.cross_entropy(output, np.array([1]))))


def test_mirrored_images_are_averaged():
    model = nn.Sequential(nn.Flatten(), nn.Linear(12, 3))
    x = np.random.default_rng(0).normal(size=(4, 1, 3, 4)).astype(np.float32)
    both = [np.exp(ops.log_softmax(predict(model, images), 1)) for images in (x, x[..., ::-1].copy())]
    output = predict(MirrorAveraged(model), x)
    np.testing.assert_allclose(np.exp(output), (both[0] + both[1]) / 2, rtol=1e-5)
    np.testing.assert_array_equal(output, predict(MirrorAveraged(model), x[..., ::-1].copy()))


def test_an_ensemble_needs_members():
    with pytest.raises(UsageError, match="Ensemble: got no networks; give at least one"):
        Ensemble([])
