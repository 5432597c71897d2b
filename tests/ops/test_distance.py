"""normalize, cosine_similarity, distances and gumbel_softmax: PyTorch's values, gradients, edges and refusals."""

import numpy as np
import pytest

import gpunn
from gpunn import Tensor, grad, nn, ops
from tests.parity import compare, normal, torch

X, Y = normal(4, 5), normal(4, 5, seed=1)
X[1] = 0  # lengths of 0, and below eps
Y[2] *= 1e-9


def F():
    return torch().nn.functional


@pytest.mark.parametrize("options", [{}, {"dim": 0}, {"p": 1.0}, {"eps": 1.5}], ids=str)
def test_normalize(options):
    compare(lambda a: ops.normalize(a, **options), lambda a: F().normalize(a, **options), normal(4, 5), terms=30)
    np.testing.assert_array_equal(ops.normalize(X)[1], 0)


@pytest.mark.parametrize("options", [{}, {"dim": 0}, {"eps": 2.5}, {"dim": -1}], ids=str)
def test_cosine_similarity_with_lengths_below_eps(options):
    compare(lambda a, b: ops.cosine_similarity(a, b, **options), lambda a, b: F().cosine_similarity(a, b, **options),
            X, Y, terms=60)  # fmt: skip


def test_cosine_similarity_broadcasts():
    compare(ops.cosine_similarity, F().cosine_similarity, normal(3, 1, 4), normal(2, 4, seed=1), terms=60, scale=1.0)


@pytest.mark.parametrize("options", [{}, {"p": 1.0, "keepdim": True}, {"p": float("inf")}, {"eps": 0.5}], ids=str)
def test_pairwise_distance(options):
    compare(lambda a, b: ops.pairwise_distance(a, b, **options), lambda a, b: F().pairwise_distance(a, b, **options),
            normal(4, 5), normal(5, seed=2), terms=40)  # fmt: skip


def test_pdist():
    for p in (1.0, 2.0, float("inf")):
        compare(lambda a, p=p: ops.pdist(a, p), lambda a, p=p: F().pdist(a, p), normal(5, 3), terms=30)
    assert ops.pdist(normal(1, 3)).shape == (0,)


def test_layers_are_their_ops():
    x, y = normal(3, 4, 2), normal(3, 4, 2, seed=1)
    np.testing.assert_array_equal(nn.CosineSimilarity(2, 0.1)(x, y), ops.cosine_similarity(x, y, 2, 0.1))
    np.testing.assert_array_equal(
        nn.PairwiseDistance(1.0, 0.1, True)(x, y), ops.pairwise_distance(x, y, 1.0, 0.1, True)
    )
    assert repr(nn.CosineSimilarity()) == "CosineSimilarity(dim 1, eps 1e-08)"
    assert repr(nn.PairwiseDistance(keepdim=True)) == "PairwiseDistance(order 2.0, eps 1e-06, keepdim)"


@pytest.mark.parametrize("dtype", [np.float16, np.float64])
def test_dtypes_stay(dtype):
    x, y = X.astype(dtype), Y.astype(dtype)
    made = [ops.normalize(x), ops.cosine_similarity(x, y), ops.pairwise_distance(x, y), ops.pdist(x)]
    assert all(a.dtype == dtype for a in (*made, ops.gumbel_softmax(x), ops.gumbel_softmax(x, hard=True)))


def test_gumbel_softmax_draws_categories_by_their_probabilities():
    gpunn.manual_seed(1)
    shares = np.array([0.5, 0.3, 0.2])
    hard = ops.gumbel_softmax(np.broadcast_to(np.log(shares), (20000, 3)), hard=True)
    assert set(np.unique(hard)) == {0.0, 1.0} and (hard.sum(1) == 1).all()
    np.testing.assert_allclose(hard.mean(0), shares, atol=0.012)  # three deviations


def test_gumbel_softmax_is_softmax_of_noise_over_tau():
    gpunn.manual_seed(2)
    soft, x = ops.gumbel_softmax(X, tau=0.5), Tensor(X, requires_grad=True)
    gpunn.manual_seed(2)
    noise = ops.gumbel_softmax(np.zeros(X.shape))  # whose logarithm is the noise, but for a number a row
    want = ops.softmax((X + np.log(noise)) / 0.5, -1)
    np.testing.assert_allclose(soft, want, rtol=1e-9)
    gradients = []
    for hard in (False, True):  # straight through
        gpunn.manual_seed(2)
        y = ops.gumbel_softmax(x, 0.5, hard)
        gradients.append(np.asarray(grad(y, [x], Y)[0]))
    np.testing.assert_array_equal(*gradients)


def test_gumbel_softmax_of_a_number_and_of_none_and_along_an_axis():
    assert ops.gumbel_softmax(np.array(0.5), hard=True) == 1
    assert ops.gumbel_softmax(np.zeros((0, 3)), hard=True).shape == (0, 3)
    np.testing.assert_allclose(ops.gumbel_softmax(X, dim=0).sum(0), 1)
    assert (ops.gumbel_softmax(X, hard=True, dim=0).sum(0) == 1).all()


WRONG = {
    "integers": (
        lambda: ops.normalize(np.ones((2, 3), int)),
        TypeError,
        ["normalize: got dtype int64"],
    ),
    "dim": (lambda: ops.normalize(X, dim=2), IndexError, ["normalize: dim is 2", "-2 to 1"]),
    "eps": (lambda: ops.normalize(X, eps="1"), TypeError, ["normalize: eps is '1'", "a number"]),
    "cosine of integers": (
        lambda: ops.cosine_similarity(X, np.ones(5, int)),
        TypeError,
        ["got dtype int64", "convert"],
    ),
    "cosine of shapes": (lambda: ops.cosine_similarity(X, X[:3]), ValueError, ["(4, 5) and (3, 5)", "reshape"]),
    "cosine's dim": (lambda: ops.cosine_similarity(X, X, 2), IndexError, ["cosine_similarity: dim is 2", "-2 to 1"]),
    "distance": (lambda: ops.pairwise_distance(X, X[:3]), ValueError, ["pairwise_distance: the shapes", "reshape"]),
    "pdist": (lambda: ops.pdist(X[0]), ValueError, ["pdist: x is (5,) and p 2.0", "(N, M)", "reshape"]),
    "order": (lambda: ops.pdist(X, -1), ValueError, ["p -1", "at least 0"]),
    "tau": (lambda: ops.gumbel_softmax(X, 0.0), ValueError, ["gumbel_softmax: tau is 0.0", "more than 0"]),
    "logits": (lambda: ops.gumbel_softmax(np.arange(3)), TypeError, ["gumbel_softmax: logits is int64", "convert"]),
}


@pytest.mark.parametrize("name", WRONG)
def test_refusals(name):
    call, error, words = WRONG[name]
    with pytest.raises(error) as caught:
        call()
    assert all(word in str(caught.value) for word in words), caught.value
